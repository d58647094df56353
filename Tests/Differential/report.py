"""Operations, figures and masks for people."""

from layout import BUS_MASTER, CONTROL, TASK_NAMES


def port_name(port):
    if BUS_MASTER <= port < BUS_MASTER + 16:
        return f"bm{port >> 3 & 1}+{port & 7}"
    if port in CONTROL:
        return f"control{CONTROL.index(port)}"
    names = (*TASK_NAMES[:1], "features", *TASK_NAMES[2:7], "command")
    return f"{names[port & 7]}{0 if port & 0x80 else 1}"


def one(operation):
    words = operation[1:]
    if operation[0] == "out":
        return "out " + " ".join(
            f"{port_name(words[i + 1])}={words[i + 2]:x}" for i in range(0, len(words), 3))
    if operation[0] == "in":
        return f"in{words[0]} {port_name(words[1])}"
    if operation[0] == "prd":
        entries = " ".join(f"{a:x}+{n:x}:{f:x}" for a, n, f in words[2][:8])
        more = f" ... {len(words[2])} entries" if len(words[2]) > 8 else ""
        return f"prd channel {words[0]} at {words[1]:x}: {entries}{more}"
    text = " ".join(str(word) for word in words)
    return f"{operation[0]} {text[:120]}"


def describe(operations, first):
    return "\n".join(f"  {first + i:4} {one(operation)}" for i, operation in enumerate(operations))


def print_figures(bench, seconds):
    figures = bench.figures
    print(f"{figures['operations']} operations, {figures['commands']} commands, "
          f"{figures.compared} values compared in {seconds:.0f} s; {figures['resets']} resets and "
          f"{figures['ended early']} episodes ended for a mask")
    for name in sorted(key[9:] for key in figures if key.startswith("compared ")):
        compared, masked = figures["compared " + name], figures["masked " + name]
        print(f"  {name:10} {compared:9} compared, {masked:7} masked"
              f" ({100 * masked / compared:.2f} %)")
    print(f"masked {figures.masked} of {figures.compared} values: "
          f"{100 * figures.masked / max(figures.compared, 1):.2f} %")
    for mask in sorted(bench.masks.masks, key=lambda mask: -mask.hits):
        if mask.hits:
            print(f"  {mask.hits:7} x {mask.name}: {mask.rule}")
    unused = [mask.name for mask in bench.masks.masks if not mask.hits]
    print("never used: " + (", ".join(unused) or "none"))
