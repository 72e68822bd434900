"""50 training steps of a character-level LSTM in PyTorch, in float64, with the RMSprop settings of the char-rnn of 2015.

The start values are multiples of 2^-12, so that float32 has them exactly; weights are in Lanewise's layout.
"""

import json

import numpy as np
import torch

from common import VECTORS, random_source

torch.set_default_dtype(torch.float64)

# Shakespeare, Sonnet 18.
TEXT = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date;
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee.
"""
CHARACTERS = sorted(set(TEXT))
ROWS, TIME, WIDTH, UNITS, STEPS = 4, 16, 8, 24, 50

uniform = random_source(18)


def start(*shape, scale):
    count = int(np.prod(shape))
    values = [round((uniform() * 2 - 1) * scale * 4096) / 4096 for _ in range(count)]
    return np.array(values).reshape(shape)


count = len(CHARACTERS)
weights = {
    "embedding.weight": start(count, WIDTH, scale=0.5),
    "lstm.kernel": start(WIDTH, 4 * UNITS, scale=0.3),
    "lstm.recurrent": start(UNITS, 4 * UNITS, scale=0.2),
    "lstm.bias": start(4 * UNITS, scale=0.2),
    "dense.weight": start(UNITS, count, scale=0.3),
    "dense.bias": start(count, scale=0.1),
}


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(count, WIDTH)
        self.lstm = torch.nn.LSTM(WIDTH, UNITS, batch_first=True)
        self.dense = torch.nn.Linear(UNITS, count)
        self.lstm.bias_hh_l0.requires_grad_(False)  # one bias, as in Keras
        with torch.no_grad():
            self.embedding.weight.copy_(torch.tensor(weights["embedding.weight"]))
            self.lstm.weight_ih_l0.copy_(torch.tensor(weights["lstm.kernel"].T))
            self.lstm.weight_hh_l0.copy_(torch.tensor(weights["lstm.recurrent"].T))
            self.lstm.bias_ih_l0.copy_(torch.tensor(weights["lstm.bias"]))
            self.lstm.bias_hh_l0.zero_()
            self.dense.weight.copy_(torch.tensor(weights["dense.weight"].T))
            self.dense.bias.copy_(torch.tensor(weights["dense.bias"]))

    def forward(self, ids):
        return self.dense(self.lstm(self.embedding(ids))[0])


network = Network()
parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
optimizer = torch.optim.RMSprop(parameters, lr=2e-3, alpha=0.95, eps=1e-8)
ids = torch.tensor([CHARACTERS.index(character) for character in TEXT])
losses = []
for step in range(STEPS):
    # Row r of step s begins at character (37 s + 150 r) mod the number of places.
    starts = [(37 * step + 150 * row) % (len(TEXT) - TIME - 1) for row in range(ROWS)]
    x = torch.stack([ids[at : at + TIME] for at in starts])
    y = torch.stack([ids[at + 1 : at + TIME + 1] for at in starts])
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(x).reshape(-1, count), y.reshape(-1))
    loss.backward()
    optimizer.step()
    losses.append(float(f"{loss.item():.12g}"))

sizes = {"rows": ROWS, "time": TIME, "width": WIDTH, "units": UNITS}
text = json.dumps(
    {
        "framework": "PyTorch",
        "version": torch.__version__.split("+")[0],
        "text": TEXT,
        **sizes,
        "weights": {name: values.reshape(-1).tolist() for name, values in weights.items()},
        "losses": losses,
    },
    separators=(",", ":"),
)
path = VECTORS / "recurrent-char-lstm.json"
path.write_text(text + "\n")
print(path, losses[0], losses[-1])
