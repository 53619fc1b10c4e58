"""The same work by transformers and torch, on any device."""

from collections.abc import Callable

import torch


class Theirs:
  """Ids in, ids out."""

  def __init__(self, load: Callable[[], torch.nn.Module], device: str = 'cpu'):
    self.load = lambda: load().to(device)
    self.device = torch.device(device)
    self.model = self.load().eval()

  def _ids(self, ids) -> torch.Tensor:
    return torch.from_numpy(ids).to(self.device)

  def wait(self) -> None:
    if self.device.type == 'cuda':
      torch.cuda.synchronize()

  @torch.no_grad()
  def prefill(self, prompts) -> None:
    self.model(self._ids(prompts), use_cache=True, logits_to_keep=1)
    self.wait()

  @torch.no_grad()
  def generate(self, prompts, new: int, group: int = 1):
    """Returns greedy ids [prompts * group, new]."""
    ids = self._ids(prompts.repeat(group, 0))
    out = self.model.generate(
      ids,
      attention_mask=torch.ones_like(ids),
      max_new_tokens=new,
      min_new_tokens=new,
      do_sample=False,
      pad_token_id=0,
    )
    return out[:, ids.shape[1] :].cpu().numpy()

  def trainer(self, tokens, rate: float, model=None, parts: int = 1):
    """Returns step() -> loss in nats: updates by AdamW.

    Args:
      tokens: ids [sequences, length]; all are predicted.
      rate: learning rate.
      model: what is trained, a fresh copy by default.
      parts: micro-batches of an update.
    """
    model = (self.load() if model is None else model).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    ids = self._ids(tokens)

    def step() -> float:
      optimizer.zero_grad(set_to_none=True)
      total = 0.0
      for part in ids.chunk(parts):
        loss = model(part, labels=part, use_cache=False).loss / parts
        loss.backward()
        total += loss.detach()
      optimizer.step()
      self.wait()
      return float(total)

    return step
