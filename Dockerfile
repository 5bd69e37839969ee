# A container of the page: docker build -t playground . && docker run -p 7860:7860 playground
# On a machine without a GPU give PyTorch's own CPU index (pytorch.org shows it) as --build-arg TORCH_INDEX=...: the
# torch that PyPI serves brings several gigabytes of CUDA.
FROM python:3.11-slim
WORKDIR /app

ARG TORCH_INDEX=""
COPY requirements.txt .
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep -o '^torch==[0-9.]*' requirements.txt)" \
    && pip install --no-cache-dir -r requirements.txt

COPY app.py README.md LICENSE SECURITY.md spaces.yaml ./
COPY playground playground
COPY assets assets

# Models and collections are kept in a volume, and nobody in the container is root.
RUN useradd --create-home --uid 1000 playground && mkdir /data && chown playground /data
USER playground
ENV PLAYGROUND_CACHE_DIR=/data/playground HF_HOME=/data/huggingface PLAYGROUND_HOST=0.0.0.0 PLAYGROUND_LOG=json
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --start-period=10m \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health', timeout=5)"]
CMD ["python", "app.py"]
