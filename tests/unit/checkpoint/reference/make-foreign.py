"""
Writes foreign.json: the first bytes of files that are no safetensors files, made by the libraries that make them.

    pip install numpy torch==2.15.0 h5py
    python make-foreign.py
"""

import gzip
import io
import json
import pickle
import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch

files = {}


def add(name, write):
    buffer = io.BytesIO()
    write(buffer)
    files[name] = buffer.getvalue()


tensor = {"weight": torch.ones(2, 2)}
add("npy", lambda out: np.save(out, np.ones(3)))
add("npz", lambda out: np.savez(out, a=np.ones(3)))
add("torch", lambda out: torch.save(tensor, out))
add("torch, legacy", lambda out: torch.save(tensor, out, _use_new_zipfile_serialization=False))
for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
    add(f"pickle {protocol}", lambda out: pickle.dump({"a": [1, 2, 3]}, out, protocol))
add("gzip", lambda out: out.write(gzip.compress(b"{}" * 50, mtime=0)))
with tempfile.NamedTemporaryFile(suffix=".h5") as file:
    with h5py.File(file.name, "w") as h5:
        h5["weight"] = np.ones(3)
    files["hdf5"] = Path(file.name).read_bytes()

texts = {
    "html": '<!DOCTYPE html>\n<html lang="en"><head><title>404</title></head><body>Not found</body></html>\n',
    "html, small letters": "<!doctype html><html><body>Sign in</body></html>",
    "html, indented": "\n\n  <html><body>Service unavailable, try again</body></html>",
    "xml": '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
    "json": '{"error":"Repository not found, or access to it is denied"}',
    "json, a list": '[{"name":"weight","shape":[2,2]}]',
    "json, with a byte order mark": '\ufeff{"modelTopology":{}}',
    "git-lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
    "base64": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB" * 3,
    "plain text": "Access to this resource on the server is denied.",
}
for name, text in texts.items():
    files[name] = text.encode()

out = Path(__file__).parent / "foreign.json"
out.write_text(json.dumps({name: data[:200].hex() for name, data in files.items()}, indent=1) + "\n")
