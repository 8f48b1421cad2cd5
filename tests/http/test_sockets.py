"""Addresses that can't be had are refused in one sentence, at the time when that shows."""

import socket

import pytest

from hiersrec.errors import BadInput
from hiersrec.http.sockets import bind, listen, shown


@pytest.mark.parametrize("host", ["a" * 80, ".."])
def test_a_host_that_can_be_no_name_is_refused_in_one_sentence(host) -> None:
    with pytest.raises(BadInput, match=r"Can't serve at .*, port 0: .*\. Choose another --host or --port\."):
        bind(host, 0)


def test_two_that_start_at_once_can_both_bind_and_the_later_to_listen_is_refused() -> None:
    with bind("127.0.0.1", 0) as first, bind("127.0.0.1", first.getsockname()[1]) as second:
        listen(first)
        with pytest.raises(
            BadInput, match=rf"^Can't serve at 127.0.0.1, port {first.getsockname()[1]}: Address already"
        ):
            listen(second)


def test_an_address_is_shown_as_a_browser_takes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert shown("shop.example", listener) == f"http://shop.example:{port}"
        assert shown("::1", listener) == f"http://[::1]:{port}"
