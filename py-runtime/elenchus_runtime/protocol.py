"""The wire's messages as typed structs (`docs/wire.md`).

Knows names and types. Knows nothing of sockets, models or tensors, nor of how arrays travel (`blobs.py`).
Unknown fields are refused: both sides carry the same protocol version, so a field that one of them
does not know is a mistake that must not pass silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy.typing as npt

from .blobs import Blobs, BlobSpec, join_blobs, split_blobs
from .errors import WorkerError

PROTOCOL = 1

Kind = Literal[
    'hello', 'welcome', 'request', 'accepted', 'event', 'result', 'error', 'ping', 'pong', 'cancel', 'bye'
]


class Header(msgspec.Struct):
    """First frame of every message. `body` stays raw until its operation is known."""

    v: int
    kind: Kind
    id: str
    body: msgspec.Raw = msgspec.Raw(b'\x80')
    op: str | None = None
    blobs: list[BlobSpec] = []


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every request body."""

    deadline_s: float | None = None


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what stands inside a body."""


# Models


class SpecialTokens(Part):
    eos: str
    pad: str
    bos: str | None = None
    unk: str | None = None


class TokenizerTrain(Body):
    path: str
    texts_path: str
    phrase_patterns: list[str]
    special_tokens: SpecialTokens


class Architecture(Part):
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int
    rope_theta: float
    tie_embeddings: bool
    attention_bias: bool
    initializer_range: float
    num_kv_heads: int | None = None
    head_dim: int | None = None
    look_back_heads: list[int] | None = None
    residual_init_scale: float = 1.0


class ModelCreate(Body):
    path: str
    tokenizer_path: str
    architecture: Architecture
    seed: int


class ModelLoad(Body):
    model: str
    dtype: Literal['auto', 'float32', 'bfloat16'] = 'auto'
    revision: str | None = None
    trust_remote_code: bool = False
    deterministic: bool = False
    threads: int | None = None


class ModelUnload(Body):
    pass


class ModelSave(Body):
    path: str


class ModelMerge(Body):
    policy: str
    path: str


# Adapters


class AdapterCreate(Body):
    name: str
    rank: int
    alpha: float
    dropout: float
    target_modules: list[str] | Literal['all-linear']
    seed: int


class AdapterLoad(Body):
    name: str
    path: str
    trainable: bool


class AdapterSave(Body):
    name: str
    path: str


class AdapterFreeze(Body):
    name: str


class AdapterDrop(Body):
    name: str


# Generation and scoring


class GenerateItem(Part):
    key: str
    prompt: str
    seed: int


class Sampling(Part):
    temperature: float
    top_p: float
    max_new_tokens: int


class StopRule(Part):
    name: str
    pattern: str
    count: int


class SegmentRule(Part):
    boundary: str
    max_tokens: int


class Generate(Body):
    policy: str | None
    requests: list[GenerateItem]
    sampling: Sampling
    engine: Literal['auto', 'native', 'transformers'] = 'auto'
    stops: list[StopRule] = []
    segment: SegmentRule | None = None
    max_prompt_tokens: int | None = None
    logprobs: bool = True
    deterministic: bool = False
    slots: int | None = None


class Encode(Body):
    texts: list[str]
    special_tokens: bool


class Score(Body):
    policy: str | None
    prompts: list[str]
    rows: list[int]
    micro_batch_tokens: int
    temperature: float = 1.0


# Training


class FileMeeting(Part, tag='file', tag_field='type'):
    """A file that does not exist yet. `local`: all ranks are on one machine, and nothing leaves it."""

    path: str
    local: bool


class TcpMeeting(Part, tag='tcp', tag_field='type'):
    """Rank 0 listens there."""

    host: str
    port: int


class GroupJoin(Body):
    """Where the launcher gave a `MASTER_ADDR` and `MASTER_PORT`, the ranks meet there."""

    group: str
    rank: int
    size: int
    meeting: FileMeeting | TcpMeeting


class OptimizerSettings(Part):
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    max_grad_norm: float


class TrainBegin(Body):
    session: str
    algorithm: Literal['sft', 'dpo', 'ppo']
    policy: str | None
    optimizer: OptimizerSettings
    micro_batch_tokens: int
    gradient_checkpointing: bool = False
    value_head: bool = False
    seed: int = 0
    deterministic: bool = False
    group: str | None = None
    sharding: Literal['none', 'fsdp2'] = 'none'


class SftBatch(Part, tag='sft', tag_field='type'):
    prompts: list[str]
    completions: list[str]
    max_length: int
    append_eos: bool = True


class SftIdsBatch(Part, tag='sft_ids', tag_field='type'):
    """Blobs `ids`, `ids_lengths`: completions as they were sampled."""

    prompts: list[str]
    rows: list[int]
    max_length: int


class LmIdsBatch(Part, tag='lm_ids', tag_field='type'):
    """Blobs `ids`, `ids_lengths`, `target_mask`: trains on the marked positions."""


class DpoBatch(Part, tag='dpo', tag_field='type'):
    """Blobs `ids`, `ids_lengths` (trajectories), `reference_sums` (f64, per trajectory)."""

    prompts: list[str]
    rows: list[int]
    pairs: list[tuple[int, int]]
    beta: float
    max_length: int
    loss: Literal['sigmoid', 'ipo', 'hinge', 'robust'] = 'sigmoid'
    weights: list[float] | None = None
    label_smoothing: float = 0.0
    nll_coef: float = 0.0
    length_normalised: bool = False


class PpoBatch(Part, tag='ppo', tag_field='type'):
    """Blobs `ids`, `ids_lengths`, and f32 with one number per id: `old_logprobs`, `advantages`.

    With a value head also `returns` and `old_values`; with a `kl_coef` above 0 `reference_logprobs`.
    """

    prompts: list[str]
    rows: list[int]
    max_length: int
    temperature: float
    clip_low: float
    clip_high: float
    value_clip: float | None = None
    value_coef: float = 0.0
    value_learning_rate: float = 0.0
    entropy_coef: float = 0.0
    kl_coef: float = 0.0
    value_only: bool = False
    max_kl: float | None = None


Batch = SftBatch | SftIdsBatch | LmIdsBatch | DpoBatch | PpoBatch


class TrainStep(Body):
    session: str
    step: int
    learning_rate: float
    batch: Batch


class TrainScore(Body):
    """Blobs `ids`, `ids_lengths`: what the weights in training say of these completions."""

    session: str
    prompts: list[str]
    rows: list[int]
    temperature: float
    micro_batch_tokens: int


class TrainEnd(Body):
    session: str


class TrainVerify(Body):
    session: str


class CheckpointSave(Body):
    session: str
    path: str
    cursor: Any = None


class CheckpointLoad(Body):
    session: str
    path: str


class Stats(Body):
    pass


OP_BODIES: Mapping[str, type[Body]] = {
    'tokenizer.train': TokenizerTrain,
    'model.create': ModelCreate,
    'model.load': ModelLoad,
    'model.unload': ModelUnload,
    'model.save': ModelSave,
    'model.merge': ModelMerge,
    'adapter.create': AdapterCreate,
    'adapter.load': AdapterLoad,
    'adapter.save': AdapterSave,
    'adapter.freeze': AdapterFreeze,
    'adapter.drop': AdapterDrop,
    'generate': Generate,
    'encode': Encode,
    'score': Score,
    'group.join': GroupJoin,
    'train.begin': TrainBegin,
    'train.step': TrainStep,
    'train.score': TrainScore,
    'train.verify': TrainVerify,
    'train.end': TrainEnd,
    'checkpoint.save': CheckpointSave,
    'checkpoint.load': CheckpointLoad,
    'stats': Stats,
}

_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(Header)
_body_decoders = {op: msgspec.msgpack.Decoder(body) for op, body in OP_BODIES.items()}


def decode_body(op: str, raw: msgspec.Raw) -> Body:
    """The typed body of a request. Raises `unknown_op`, or `bad_request` naming the field at fault."""
    decoder = _body_decoders.get(op)
    if decoder is None:
        raise WorkerError('unknown_op', f'This worker has no operation {op!r}.')
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WorkerError('bad_request', f'The body of {op} is not valid: {error}') from error


def encode_message(
    kind: Kind,
    id: str,
    body: Mapping[str, Any],
    blobs: Mapping[str, npt.NDArray[Any]] | None = None,
    account: Mapping[str, Any] | None = None,
) -> list[bytes | memoryview]:
    """Frames of one message: the header, then every blob in pieces of at most 1 MiB.

    What is not `None` of `account` stands in the header.
    """
    specs, frames = split_blobs(blobs or {})
    header: dict[str, Any] = {'v': PROTOCOL, 'kind': kind, 'id': id, 'body': body}
    if specs:
        header['blobs'] = specs
    header.update((name, value) for name, value in (account or {}).items() if value is not None)
    return [_encoder.encode(header), *frames]


def decode_message(frames: Sequence[bytes | memoryview]) -> tuple[Header, Blobs]:
    """Header and blobs of one message. Raises `protocol_violation` on anything malformed."""
    if not frames:
        raise WorkerError('protocol_violation', 'A message without frames.')
    try:
        header = _header_decoder.decode(frames[0])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WorkerError('protocol_violation', f'The header cannot be read: {error}') from error
    if header.v != PROTOCOL:
        raise WorkerError(
            'protocol_violation', f'Protocol version {header.v}, this worker speaks {PROTOCOL}.', got=header.v
        )
    return header, join_blobs(header.blobs, frames[1:])
