"""Why this exists: every durable step of a run can be made to fail, or be the moment of a signal, one
after the other: `each_step` counts them once and then names each (src/base/fail_point.hpp)."""

POINT, LOG = "ASB_FAIL_POINT", "ASB_FAIL_POINT_LOG"
COUNT_ONLY = "*:0:count"


def steps_of(product, *words, env=None, expect=0):
    """The names of the steps of this run, in their order; the run itself is not disturbed."""
    log = product.folder / "steps"
    log.unlink(missing_ok=True)
    product.run(*words, env={**(env or {}), POINT: COUNT_ONLY, LOG: log}, expect=expect)
    return log.read_text().split()


def at_step(number, action):
    """The environment in which step `number` (from 1) meets `action`: enospc, eio, stop or kill."""
    return {POINT: f"*:{number}:{action}"}


def spread(count, most):
    """At most `most` of the numbers 1 to `count`, evenly, with the first and the last."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(place * (count - 1) / (most - 1)) for place in range(most)})
