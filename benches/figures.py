"""Why this exists: a figure says nothing without what was wanted of it, and a reader must not have to compare them."""


def judge(figure, value, *, at_most=None, at_least=None, unit="", digits=2):
    """Prints the figure, what was wanted and whether it is reached; returns that."""
    reached = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    wanted = f"at most {at_most:.{digits}f}" if at_most is not None else f"at least {at_least:.{digits}f}"
    print(f"- {figure}: {value:.{digits}f}{unit} (wanted: {wanted}{unit}): {'reached' if reached else 'NOT reached'}")
    return reached


def size_of(*paths):
    """Bytes of these files, and of all files below these folders."""
    return sum(file.stat().st_size for path in paths for file in (path, *path.rglob("*")) if file.is_file())
