"""The machine of a measurement, as the JSON files have it. The load averages of 1, 5 and 15 minutes say how
busy it was at the end of the measurement."""

import os
import platform


def current():
    return {
        "kernel": platform.release(), "machine": platform.machine(), "processor": processor(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"),
        "load_average": os.getloadavg()}


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return "unknown"
