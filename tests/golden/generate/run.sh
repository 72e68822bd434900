#!/usr/bin/env bash
# Makes the environments and writes every vector file. GOLDEN_ENVS: where the environments are kept, about 10 GB.
# GOLDEN_VECTORS: where the vectors go, default ../vectors.
set -euo pipefail
cd "$(dirname "$0")"
envs=${GOLDEN_ENVS:-${TMPDIR:-/tmp}/lanewise-golden}
python=${PYTHON:-python3.11}
export PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3

# environment <name> <requirements file>
environment() {
  if [ ! -e "$envs/$1/ready" ]; then
    "$python" -m venv "$envs/$1"
    "$envs/$1/bin/pip" install --quiet -r "$2"
    touch "$envs/$1/ready"
  fi
}

mkdir -p "$envs"
environment main requirements.txt
environment mxnet1 requirements-mxnet1.txt
environment mxnet2 requirements-mxnet2.txt
environment paddle requirements-paddle.txt
[ -e node_modules ] || npm ci --silent

for script in common pytorch lion_pytorch_ matrices timm_ keras3 tf_keras_ tf1_ops optax_ tfjs_ images_torch images_keras \
  recurrent char_lstm schedules; do
  "$envs/main/bin/python" "$script.py"
done
KERAS_BACKEND=torch "$envs/main/bin/python" keras3.py
KERAS_BACKEND=torch "$envs/main/bin/python" layers.py
node recurrent.mjs
"$envs/mxnet1/bin/python" mxnet_.py
"$envs/mxnet2/bin/python" mxnet_.py
"$envs/paddle/bin/python" paddle_.py
node images_tfjs.mjs
"$envs/main/bin/python" emulate.py
"$envs/main/bin/python" published.py
