"""``liqheat doctor``: what is missing on this machine, and how to mend it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from liqheat_shared.command import Command


class Doctor(Command):
    """Say what this machine lacks to run liqheat, and how to mend it; exit code 1 if anything is wrong."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="a JSON list of {check, state, found, mend}")

    def run(self, options: Namespace) -> int:
        from liqheat_shared.local.examination import examine

        findings = examine()
        if options.json:
            print(json.dumps([asdict(finding) for finding in findings], indent=1))
        else:
            for finding in findings:
                print(f"{finding.state:<8} {finding.check:<18} {finding.found}")
                if finding.state != "ok":
                    print(f"{'':<8} {'':<18} to mend: {finding.mend}")
        problems = sum(finding.state == "problem" for finding in findings)
        if not options.json:
            print(f"{problems} problems" if problems else "all is well")
        return 1 if problems else 0
