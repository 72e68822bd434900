"""
Writes reference.json: files, and what the reference implementation, safetensors 0.8.0 for Python, makes of them.

    pip install safetensors==0.8.0 numpy
    npm run build
    python make.py

Cases come from its own tests (safetensors/src/tensor.rs, bindings/python/tests/test_simple.py), from one file for every
dtype, from corner cases of JSON, and from random edits of valid headers. `stricter` says which of the three documented
differences, if any, a file has; it is worked out here, from the header alone. `written` are files of Lanewise's writer,
with what the reference reads in them.
"""

import base64
import json
import os
import random
import struct
import subprocess
import tempfile
from pathlib import Path

import safetensors
from safetensors import SafetensorError, deserialize, safe_open

assert safetensors.__version__ == "0.8.0"
HERE = Path(__file__).parent
DTYPES = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


def file_of(header, data=b""):
    if isinstance(header, str):
        header = header.encode()
    return struct.pack("<Q", len(header)) + header + data


def entry(**fields):
    return json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **fields})


def bytes_of(length):
    return bytes(i * 37 % 251 for i in range(length))


def metadata_of(data):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    try:
        with safe_open(file.name, framework="np") as opened:
            return opened.metadata() or {}
    finally:
        os.unlink(file.name)


def judge(data):
    """What the reference says."""
    try:
        tensors = deserialize(data)
    except SafetensorError as error:
        return {"error": str(error).replace("Error while deserializing: ", "")}
    found = [[name, view["dtype"], view["shape"], bytes(view["data"]).hex()] for name, view in tensors]
    return {"tensors": sorted(found), "metadata": metadata_of(data)}


def stricter_of(data):
    """Which documented difference a header has, as far as it can be told."""
    length = struct.unpack("<Q", data[:8])[0]
    differences = set()

    def members(pairs):
        if len({key for key, _ in pairs}) < len(pairs):
            differences.add("a name twice")
        return dict(pairs)

    try:
        header = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=members)
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    for name, value in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(value, dict) or not isinstance(value.get("dtype"), str) or set(value) - {"dtype", "shape", "data_offsets"}:
            differences.add("an entry of another form")
        elif isinstance(value.get("shape"), list) and any(isinstance(n, int) and n >= 2**53 for n in value["shape"]):
            differences.add("a dimension above 2^53 - 1")
    return sorted(differences)[0] if differences else None


def corpus():
    one = lambda **fields: file_of('{"x":%s}' % entry(**fields), bytes_of(4))
    raw = lambda text, size=4: file_of(text, bytes_of(size))
    # Its own tests.
    yield "empty file", b""
    yield "seven bytes", b"<\0\0\0\0\0\0"
    yield "length alone", b"<\0\0\0\0\0\0\0"
    yield "header too large", b"<\0\0\0\0\xff\xff\xff" + b'{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}' + bytes(16)
    yield "not UTF-8", file_of(b"\xff")
    yield "not JSON", file_of("{")
    yield "trailing padding", file_of("{}\r \t\n")
    yield "leading padding", file_of("\t\n{}\r ")
    yield "rank 0", raw('{"test":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}')
    yield "deserialization", raw('{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}', 16)
    yield "zero-sized", raw('{"test":{"dtype":"I32","shape":[2,0],"data_offsets":[0, 0]}}', 0)
    yield "invalid info", raw('{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0, 4]}}', 4)
    yield "polyglot", raw('{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}', 16) + b"extra_bogus_data_for_polyglot_file"
    yield "two bytes missing", raw('{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}', 14)
    yield "overflow of the elements", raw('{"test":{"dtype":"I32","shape":[2,18446744073709551614],"data_offsets":[0,16]}}', 16)
    yield "overflow of the bytes", raw('{"test":{"dtype":"I32","shape":[2,9223372036854775807],"data_offsets":[0,16]}}', 16)
    weights = ",".join('"weight_%d":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}' % i for i in range(10))
    yield "json attack", raw("{%s}" % weights, 16)
    yield "fp4", raw('{"attn.0":{"dtype":"F4","shape":[1,2],"data_offsets":[0,1]}}    ', 1)
    yield "framework metadata", raw('{"__metadata__":{"framework":"pt"},"test1":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}       ', 16)
    yield "empty, with metadata", file_of('{"__metadata__":{"framework":"pt"}}     ')
    # Every dtype: with whole bytes, and with elements that do not fill one.
    for dtype, bits in DTYPES.items():
        for count in (0, 1, 2, 3, 4, 8):
            size = count * bits // 8
            yield f"{dtype} [{count}]", raw('{"x":{"dtype":"%s","shape":[%d],"data_offsets":[0,%d]}}' % (dtype, count, size), size)
    for dtype in ("F128", "f32", "F8", "INT32", "", "I4", "toString", "__proto__"):
        yield f"dtype {dtype!r}", one(dtype=dtype)
    # Shapes and offsets.
    for shape in ("[1.0]", "[1e0]", "[-0]", "[01]", "[+1]", "[1.]", "[0x1]", "[true]", '["1"]', "[[1]]", "[null]", "1", "null", "{}", "[1,]", "[,1]", "[ 1 ]", "[1,1,1,1,1,1,1,1,1,1,1,1]", "[-1]", "[NaN]", "[Infinity]"):
        yield f"shape {shape}", raw('{"x":{"dtype":"F32","shape":%s,"data_offsets":[0,4]}}' % shape)
    for shape in ("[0,9007199254740991]", "[0,9007199254740992]", "[0,18446744073709551615]", "[0,18446744073709551616]", "[1099511627776,1099511627776,0]", "[0,1099511627776,1099511627776]", "[4294967296,4294967296]", "[4294967296,1073741824,0]", "[4294967296,536870912,0]", "[4294967296,4294967295,0]"):
        yield f"no elements in {shape}", raw('{"x":{"dtype":"I8","shape":%s,"data_offsets":[0,0]}}' % shape, 0)
    for offsets in ("[0,4.0]", "[0]", "[]", "[0,4,4]", "[4,0]", "[-0,4]", "[0,-4]", "[0,4e0]", '["0","4"]', '{"0":0,"1":4}', "[0,null]", "null", "[0,18446744073709551616]", "[1,5]", "[0,3]", "[0,5]"):
        yield f"offsets {offsets}", raw('{"x":{"dtype":"F32","shape":[1],"data_offsets":%s}}' % offsets)
    # Forms of an entry and of the metadata.
    for value in ("null", "[]", "3", '"F32"', "{}", '["F32",[1],[0,4]]', '["F32",[1]]', '{"dtype":"F32","shape":[1]}', '{"dtype":"F32","data_offsets":[0,4]}', '{"shape":[1],"data_offsets":[0,4]}', '{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}', '{"dtype":null,"shape":[1],"data_offsets":[0,4]}', entry(strides=[1]), entry(x={"y": [1, {"z": None}]}), '{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}', '{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}', '{"\\u0064type":"F32","shape":[1],"data_offsets":[0,4]}'):
        yield f"entry {value}", raw('{"x":%s}' % value)
    for value in ("null", "{}", "[]", '"a"', "3", '{"a":"b"}', '{"a":null}', '{"a":1}', '{"a":{}}', '{"a":["b"]}', '{"a":"1","a":"2"}', '{"":""}', '{"__proto__":"x"}', '{"a":"\\u0000"}', entry(), "true", "nul", "NULL"):
        yield f"metadata {value}", raw('{"__metadata__":%s,"x":%s}' % (value, entry()))
    yield "metadata twice", raw('{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"},"x":%s}' % entry())
    yield "a name twice", raw('{"x":%s,"x":%s}' % (entry(), entry()))
    yield "a name twice, once escaped", raw('{"x":%s,"\\u0078":%s}' % (entry(), entry()))
    # Strings.
    for name in ("", "a", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud800\\u0041", "\\udc00\\ud800", "\\ud83d\\ud83d\\ude00", "\\u00e9", "\\u12", "\\u12g4", "\\x41", "\\'", "\\/", "\\b\\f\\n\\r\\t\\\\\\\"", "\t", "\n", "\x7f", "é", "∂", "🜁", "__proto__", "\ufeff"):
        yield f"name {name!r}", raw('{"%s":%s}' % (name, entry()))
    for name in (b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x9c", b"\xff", b"\xef\xbf\xbf", b"\xef\xbf\xbe", b"\xc3\xa9"):
        yield f"name {name!r}", raw(b'{"' + name + b'":' + entry().encode() + b"}")
    # JSON.
    for text in ("", " ", "null", "[]", "{}", "{},", "{}\0", "\0{}", "\ufeff{}", "{} {}", "{x}", "{'x':1}", "{,}", '{"x"}', '{"x":}', '{"x":%s,}' % entry(), "/**/{}", "{}//", "\x0b{}", "\x0c{}", "\u00a0{}", "true", '"{}"', "{" * 300):
        yield f"text {text[:20]!r}", raw(text, 4 if "F32" in text else 0)
    for depth in (100, 126, 127, 128, 5000):
        yield f"{depth} lists in an entry", raw('{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"z":%s}}' % ("[" * depth + "]" * depth))
    # Order and holes.
    pair = lambda a, b, size: raw('{"a":%s,"b":%s}' % (entry(data_offsets=a), entry(data_offsets=b)), size)
    for a, b, size in (([0, 4], [4, 8], 8), ([4, 8], [0, 4], 8), ([0, 4], [5, 9], 9), ([0, 4], [3, 7], 7), ([0, 4], [0, 4], 4), ([4, 8], [8, 12], 12), ([0, 4], [4, 8], 9), ([0, 4], [4, 8], 7)):
        yield f"tensors at {a} {b} of {size}", pair(a, b, size)
    empty = '{"dtype":"F32","shape":[0],"data_offsets":[%d,%d]}'
    yield "empty tensors between others", raw('{"c":%s,"a":%s,"b":%s,"d":%s}' % (empty % (4, 4), entry(), empty % (0, 0), empty % (4, 4)))
    # Random edits.
    chance = random.Random(1)
    valid = '{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}'
    pieces = ['"', "{", "}", "[", "]", ",", ":", "0", "1", "4", "8", "-", ".", "e", "\\", " ", "null", '"F16"', '"I8"', '"shape"', '"x"', "\\u0041", "é", "\x01"]
    seen = set()
    while len(seen) < 400:
        text = valid
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(pieces + [""]) + text[at + chance.choice((0, 0, 1, 1, 2, 5)) :]
        if text not in seen:
            seen.add(text)
            yield f"edit {len(seen)}", raw(text, 12)


WRITE = """
import { writeSafetensors } from "%s";
const f = (...values) => Float32Array.from(values);
const files = [
  writeSafetensors([]),
  writeSafetensors([], { note: 'Ä "quoted" \\\\ 🜁', __proto: "x" }),
  writeSafetensors([
    ["b", { shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ["a/ö 🜁", { shape: [2, 2], data: f(1, NaN, -0, Infinity) }],
    ["half", { shape: [5], data: f(1.00048828125, 65520, 2 ** -25, -3 * 2 ** -25, NaN), dtype: "F16" }],
    ["brain", { shape: [3], data: f(1.00390625, 3.4e38, NaN), dtype: "BF16" }],
    ["double", { shape: [], data: [NaN], dtype: "F64" }],
    ["labels", { shape: [3], data: [0, -1, 2 ** 53 - 1], dtype: "I64" }],
    ["big", { shape: [1], data: [2n ** 64n - 1n], dtype: "U64" }],
    ["flags", { shape: [2], data: [true, false], dtype: "BOOL" }],
    ["complex", { shape: [1], data: new Uint8Array(new Float32Array([1, 2]).buffer), dtype: "C64" }],
    ["eight", { shape: [2], data: Uint8Array.of(0x38, 0x40), dtype: "F8_E4M3" }],
    ["six", { shape: [4], data: Uint8Array.of(1, 2, 3), dtype: "F6_E2M3" }],
    ["four", { shape: [4], data: Uint8Array.of(0x21, 0x43), dtype: "F4" }],
    ["none", { shape: [0, 7], data: f() }],
  ]),
];
console.log(JSON.stringify(files.map((bytes) => Buffer.from(bytes).toString("base64"))));
"""


def written():
    module = (HERE / "../../../../dist/default/checkpoint.js").resolve().as_uri()
    output = subprocess.run(["node", "--input-type=module"], input=WRITE % module, capture_output=True, text=True, check=True)
    for text in json.loads(output.stdout):
        yield {"file": text, **judge(base64.b64decode(text))}


def main():
    cases = []
    for name, data in corpus():
        case = {"name": name, "file": base64.b64encode(data).decode(), **judge(data)}
        if "error" not in case and (difference := stricter_of(data)):
            case["stricter"] = difference
        cases.append(case)
    lines = lambda values: ",\n".join(json.dumps(value, ensure_ascii=True) for value in values)
    text = '{"version":"%s","cases":[\n%s\n],"written":[\n%s\n]}\n' % (safetensors.__version__, lines(cases), lines(written()))
    (HERE / "reference.json").write_text(text)
    accepted = sum("error" not in case for case in cases)
    print(f"{len(cases)} cases: {accepted} accepted, of which {sum('stricter' in case for case in cases)} stricter")


main()
