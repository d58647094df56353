"""Drops operations from a failing list while the same value still differs."""


def minimise(attempt, operations, label, budget=120):
    """`attempt(operations)` is None or (step, text, label). At most `budget` attempts."""
    size = max(len(operations) // 2, 1)
    while size and budget > 0:
        end = len(operations)
        while end > 0 and budget > 0:
            shorter = operations[:max(end - size, 0)] + operations[end:]
            budget -= 1
            failure = attempt(shorter) if shorter else None
            if failure is not None and kind(failure[2]) == kind(label):
                operations = shorter[:failure[0] + 1]
            end = min(end - size, len(operations))
        size //= 2
    return operations


def kind(label):
    """A memory address or a word's number may change when something is dropped."""
    return label.split("[")[0].split(" 0x")[0]
