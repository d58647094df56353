"""A copy of the package, in which a line at a time is changed, and tests are run."""

import os
import re
import signal
import subprocess

# How long a build and the run of a test may take, in seconds.
BUILD_LIMIT = 3600
TEST_LIMIT = 300
# An assertion of XCTest that did not hold, as opposed to an error that a test throws.
ASSERTION = re.compile(r": error: (\w+)\.(\w+) : (XCT\w+ failed|failed)\b")


class Workspace:
    def __init__(self, root, directory):
        self.root = root
        self.directory = directory
        self.package = None

    def prepare(self, modules):
        """Brings the copy up to date, with these test modules only."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, check=True, capture_output=True, text=True).stdout
        kept = {name for name in listed.split("\0")
                if name.startswith(("Sources/", "Tests/")) or name == "Package.swift"}
        for name in sorted(kept):
            source = os.path.join(self.root, name)
            if not os.path.isfile(source):
                continue
            with open(source, "rb") as file:
                content = file.read()
            if name == "Package.swift":
                content = self._manifest(content.decode(), modules).encode()
            self._write(name, content)
        self._remove_others(kept)

    def _manifest(self, text, modules):
        self.package = re.search(r'name: "([^"]+)"', text).group(1)
        blocks = re.split(r"(?m)^(?=        \.\w+\()", text)
        return "".join(block for block in blocks if self._is_kept(block, modules))

    @staticmethod
    def _is_kept(block, modules):
        name = re.match(r'        \.testTarget\(\s*name: "(\w+)"', block)
        # The last one has the end of the list behind it.
        return not name or name.group(1) in modules or "\n    ]" in block

    def _remove_others(self, kept):
        for top in ("Sources", "Tests"):
            for directory, _, names in os.walk(os.path.join(self.directory, top)):
                for name in names:
                    path = os.path.join(directory, name)
                    if os.path.relpath(path, self.directory) not in kept:
                        os.remove(path)

    def _write(self, name, content):
        """Leaves alone what is the same: it need not be built again."""
        path = os.path.join(self.directory, name)
        try:
            with open(path, "rb") as file:
                if file.read() == content:
                    return
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, os.stat(os.path.join(self.root, name)).st_mode)

    def _run(self, limit, *arguments):
        """Exit status and output; a status of None after the limit."""
        process = subprocess.Popen(
            arguments, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
        try:
            output = process.communicate(timeout=limit)[0]
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]

    def _build(self):
        """What the compiler has to complain of; None when there is nothing."""
        status, output = self._run(
            BUILD_LIMIT, "swift", "build", "--product", f"{self.package}PackageTests")
        if status == 0:
            return None
        errors = [line for line in output.split("\n") if "error:" in line]
        return "does not compile: " + (errors or [output[-300:]])[0]

    def _test(self, tests):
        names = "|".join(rf"{t.module}\.{t.suite}/{t.method}" for t in tests)
        return self._run(TEST_LIMIT, "swift", "test", "--skip-build", "--filter", f"^({names})$")

    def expect_success(self, tests):
        """What keeps the tests from passing; None when they do."""
        trouble = self._build()
        if trouble:
            return trouble
        status, output = self._test(tests)
        executed = re.findall(r"Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?", output)
        if not executed or int(executed[-1][0]) != len(tests) or executed[-1][1]:
            return f"not all tests were run: {executed[-1:]} of {len(tests)}\n{output[-600:]}"
        return None if status == 0 else f"a test fails\n{output[-2000:]}"

    def verdict(self, mutation):
        """None when the test notices the mutation, or what happens instead."""
        with open(os.path.join(self.root, mutation.file), encoding="utf-8") as file:
            original = file.read()
        self._write(mutation.file, mutation.apply(original).encode())
        try:
            trouble = self._build()
            if trouble:
                return trouble
            status, output = self._test([mutation.test])
        finally:
            self._write(mutation.file, original.encode())
        if status is None:
            return "the test hangs"
        if status == 0:
            return "NOT NOTICED"
        name = (mutation.test.suite, mutation.test.method)
        if any(found[:2] == name for found in ASSERTION.findall(output)):
            return None
        return "fails, but by no assertion: " + output[-300:]
