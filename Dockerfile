# docker build -t s1monthly .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" -e EARTHDATA_TOKEN s1monthly process --config my.yaml
FROM python:3.11-slim

# rasterio's wheel takes this one library from the system
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*

COPY requirements.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements.txt

COPY . /tmp/s1monthly
RUN pip install --no-cache-dir --no-deps /tmp/s1monthly && rm -rf /tmp/s1monthly

# any user may run it: caches lie where everybody can write
ENV HOME=/tmp
WORKDIR /data
ENTRYPOINT ["s1monthly"]
CMD ["--help"]
