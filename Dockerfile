# Serves a bundle: `make dist`, then
#   docker build -t hiersrec .
#   docker run --rm -p 8000:8000 -v "$PWD/bundles/shop:/bundle:ro" hiersrec
FROM python:3.12-slim
WORKDIR /install
COPY constraints.txt dist/*.whl ./
RUN pip install --no-cache-dir -c constraints.txt "$(echo ./*.whl)[serve]"
RUN useradd --system --uid 10001 --no-create-home hiersrec
# As a number, which Kubernetes can tell from root.
USER 10001
WORKDIR /
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
CMD ["hiersrec", "serve", "/bundle", "--host", "0.0.0.0"]
