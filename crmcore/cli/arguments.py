"""The arguments of all commands, with their help."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from typing import Final

__all__ = ["parser"]

LANGUAGES: Final = ("en", "zh-CN")
_DAY: Final = "2025-12-31 (its end, in the policy's zone) or 2025-12-31T18:00:00+08:00"

_PROGRAM: Final = """\
Customer scores, grades, classes and lifecycle stages from order data. How customers are
judged stands in a policy, one TOML file."""
_PROGRAM_MORE: Final = """\
first steps:
  crmcore demo
  crmcore score orders.csv --policy classic --as-of 2025-12-31
  crmcore preset show classic

exit status: 0 fine, 1 findings, 2 usage, 3 policy or source refused, 4 data refused, 5 no tests
`crmcore COMMAND --help` says more about one command."""

_DEMO: Final = """\
Do the whole job on a made-up shop: read its orders, classify its customers, explain some of
them, and write all of it to one HTML page that needs nothing else."""
_DEMO_MORE: Final = """\
examples:
  crmcore demo
  crmcore demo --customers 20000 --out shop.html --language zh-CN"""

_SCORE: Final = """\
From a file of orders to one row per customer: class, points, score, grade and facts. Rows that
cannot be used are set aside and counted; nothing is guessed."""
_SCORE_MORE: Final = """\
standard columns: order_id, customer_id, placed_at, amount (or amount_minor, or unit_price and
quantity); optional: status, status_at, known_at, currency, returns_order_id, line_id, quantity,
product_id, category, channel, promotion. --map or a source file names others.

examples:
  crmcore score orders.csv --policy classic --as-of 2025-12-31
  crmcore score orders.parquet --policy shop.toml --as-of 2025-12-31 --customers customers.csv \\
      --last-evaluated 2024-12-31 --out scores.parquet
  crmcore score orders.csv.gz --policy classic --as-of 2025-12-31 --map amount=total \\
      --format csv | head"""

_EXPLAIN: Final = """\
Why one customer has their class and grade: each value, the edges around it, and what would
change the result. With --from and --to: what changed between two days."""
_EXPLAIN_MORE: Final = """\
examples:
  crmcore explain orders.csv --policy classic --as-of 2025-12-31 --customer C-17
  crmcore explain orders.csv --policy classic --as-of 2025-12-31 --customer C-17 \\
      --language zh-CN --voice customer
  crmcore explain orders.csv --policy classic --from 2024-12-31 --to 2025-12-31 --customer C-17"""

_RECONCILE: Final = """\
Account for every row of a file of orders: excluded, set aside, orders, returns, sales, down to
net sales, in rows and money, adding up to the minor unit. With --against: compare somebody
else's figures of customers with ours, and say which other reading explains the differences."""
_RECONCILE_MORE: Final = """\
The file given with --against has the column customer_id and any facts of the policy, such as
sale_count or mean_sale. Differences end with exit status 1.

examples:
  crmcore reconcile orders.csv --source source.toml
  crmcore reconcile orders.csv --source source.toml --by-month --format csv
  crmcore reconcile orders.csv --source source.toml --policy classic --as-of 2025-12-31 \\
      --against theirs.csv"""

_CHECK: Final = """\
Load a policy and say everything that is wrong with it, or what it does. Errors and warnings,
such as a grade that nobody can reach, end with exit status 1; notes do not."""
_CHECK_MORE: Final = """\
examples:
  crmcore check shop.toml
  crmcore check shop.toml --format markdown"""


_TEST: Final = """\
Run the tests of a policy: cases of customers with what the policy is to make of them, in files
beside it (shop.test.toml and shop.*.test.toml beside shop.toml). Ends with exit status 1 when a
case fails, when less is covered than asked for, or when changes go unnoticed; 5 without tests."""
_TEST_MORE: Final = """\
P may be a test file itself: then the policy it names, or stands beside, is tested with it.

examples:
  crmcore test shop.toml
  crmcore test shop.toml --coverage --fail-under 100
  crmcore test shop.toml --generate > shop.generated.test.toml
  crmcore test shop.toml --mutate
  crmcore test next.toml shop.test.toml"""


_FIT: Final = """\
Measure the quantiles of a policy on a file of orders, and write the policy with numbers in their
place. From then on equal customers get equal points, whoever else there is."""
_FIT_MORE: Final = """\
A score to be fitted says quantiles = 5 (2 to 10) in place of edges. Without --out the policy goes
to standard output.

examples:
  crmcore fit orders.csv --policy recipe.toml --as-of 2025-12-31 --out shop.toml"""


_DIFF: Final = """\
What is otherwise in policy Q than in P: place by place; for each decision a customer who shows
it, or that there is none; and, given orders or facts, who moves from which class to which. Ends
with exit status 1 when anything decides otherwise."""
_DIFF_MORE: Final = """\
A policy may be named as it is in git: main:shop.toml, HEAD~1:policies/shop.toml, and
:shop.toml in the index.

examples:
  crmcore diff classic shop.toml
  crmcore diff main:shop.toml shop.toml --orders orders.csv --as-of 2025-12-31
  crmcore diff main:shop.toml shop.toml --facts facts.csv --format markdown"""

_FACTS: Final = """\
Write the facts of customers to a small file that a proposal can carry: ids become running
numbers in random order, and personal attributes stay away. `crmcore diff --facts` reads it."""
_FACTS_MORE: Final = """\
examples:
  crmcore facts orders.csv --policy shop.toml --as-of 2025-12-31 --out facts.csv --sample 2000"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from crmcore import __version__

    top = _formatted(argparse.ArgumentParser(prog="crmcore", description=_PROGRAM), _PROGRAM_MORE)
    top.add_argument("--version", action="version", version=f"crmcore {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, short: str, long: str, more: str = "") -> argparse.ArgumentParser:
        return _formatted(commands.add_parser(name, help=short, description=long), more)

    _demo(command("demo", "the whole job on sample data, with an HTML page", _DEMO, _DEMO_MORE))
    _score(command("score", "one row per customer from a file of orders", _SCORE, _SCORE_MORE))
    _explain(command("explain", "why one customer has their result", _EXPLAIN, _EXPLAIN_MORE))
    text = "the ladder from raw rows to net sales"
    _reconcile(command("reconcile", text, _RECONCILE, _RECONCILE_MORE))
    _check(command("check", "what a policy does, and what is wrong", _CHECK, _CHECK_MORE))
    _test(command("test", "run the tests of a policy", _TEST, _TEST_MORE))
    text = "measure quantiles once and freeze them as numbers"
    _fit(command("fit", text, _FIT, _FIT_MORE))
    _diff(command("diff", "what changes from one policy to another", _DIFF, _DIFF_MORE))
    _facts(command("facts", "facts without the ids, for a proposal to carry", _FACTS, _FACTS_MORE))
    preset = command("preset", "the policies that come with crmcore", "Policies to start from.")
    _preset(preset.add_subparsers(dest="action", required=True, metavar="ACTION"))
    text = "Print the JSON Schema of policy, source or test files, for editors and other checkers."
    schema = command("schema", "the JSON Schema of policy, source or test files", text)
    schema.add_argument("of", nargs="?", choices=["policy", "source", "tests"], default="policy")
    return top


def _formatted(one: argparse.ArgumentParser, more: str) -> argparse.ArgumentParser:
    one.formatter_class = argparse.RawDescriptionHelpFormatter
    one.epilog = more or None
    one.allow_abbrev = False
    return one


def _demo(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--out",
        metavar="PATH",
        default="crmcore-demo.html",
        help="where the page goes: a file ending in .html, or a folder (%(default)s)",
    )
    one.add_argument(
        "--customers",
        metavar="N",
        type=_count,
        default=3000,
        help="how many customers the shop has, at least 100 (%(default)s)",
    )
    _add_language(one)


def _score(one: argparse.ArgumentParser) -> None:
    _add_orders(one)
    one.add_argument("--as-of", metavar="D", type=_moment, required=True, help=_DAY)
    _add_data(one)
    written = one.add_mutually_exclusive_group()
    written.add_argument(
        "--out", metavar="F", help="write the rows to a file: .csv, .parquet, .arrow or .json"
    )
    written.add_argument(
        "--format",
        choices=["json", "csv", "parquet", "markdown"],
        help="write the rows to standard output, and the summary to standard error",
    )
    one.add_argument(
        "--strict", action="store_true", help="refuse the data when any row has to be set aside"
    )
    text = "read the orders in batches, as is done with files of 1 GB or more"
    one.add_argument("--stream", action="store_true", help=text)
    text = "only say how the orders would be read in batches, and why"
    one.add_argument("--explain-plan", action="store_true", help=text)


def _explain(one: argparse.ArgumentParser) -> None:
    _add_orders(one)
    one.add_argument("--customer", metavar="ID", required=True, help="the customer's id")
    one.add_argument("--as-of", metavar="D", type=_moment, help=_DAY)
    one.add_argument("--from", metavar="D1", type=_moment, dest="before", help="the earlier day")
    one.add_argument("--to", metavar="D2", type=_moment, dest="after", help="the later day")
    _add_data(one)
    one.add_argument(
        "--voice",
        choices=["staff", "customer"],
        default="staff",
        help="who is spoken to; customers are not told edges that the policy keeps internal",
    )
    one.add_argument("--format", choices=["json"], help="write the explanation as data")
    one.add_argument(
        "--messages",
        action="store_true",
        help="with --format json: also what there is to say, for both voices",
    )
    _add_language(one)


def _reconcile(one: argparse.ArgumentParser) -> None:
    _add_file_of_orders(one)
    _add_source(one)
    one.add_argument(
        "--policy", metavar="P", help="which statuses are sales, whose months count: file or preset"
    )
    one.add_argument("--by-month", action="store_true", help="one row for each step and month")
    one.add_argument(
        "--against", metavar="F", help="a file of their figures, with --policy, --as-of"
    )
    one.add_argument("--as-of", metavar="D", type=_moment, help=f"with --against: {_DAY}")
    one.add_argument("--format", choices=["json", "csv", "markdown"], help="write data, not tables")


def _check(one: argparse.ArgumentParser) -> None:
    one.add_argument("policy", metavar="P", help="a policy file, or the name of a preset")
    one.add_argument("--format", choices=["json", "markdown"], help="write the findings as data")


def _test(one: argparse.ArgumentParser) -> None:
    one.add_argument("policy", metavar="P", help="a policy file, a preset, or a test file")
    one.add_argument("tests", metavar="TESTS", nargs="*", help="test files, instead of its own")
    one.add_argument(
        "--coverage", action="store_true", help="which rows, conditions and edges no case reaches"
    )
    one.add_argument(
        "--fail-under", metavar="N", type=_percent, help="the least coverage that will do, percent"
    )
    one.add_argument(
        "--generate",
        action="store_true",
        help="write cases for what no case reaches, with --mutate also for what none notices",
    )
    one.add_argument(
        "--mutate", action="store_true", help="change the policy and list what no case notices"
    )
    one.add_argument("--out", metavar="F", help="with --generate: write the cases to a file")
    one.add_argument("--format", choices=["json", "markdown"], help="write data, not tables")


def _fit(one: argparse.ArgumentParser) -> None:
    _add_orders(one)
    one.add_argument("--as-of", metavar="D", type=_moment, required=True, help=_DAY)
    _add_data(one)
    one.add_argument("--out", metavar="F", help="write the policy to a file: .toml")


def _diff(one: argparse.ArgumentParser) -> None:
    one.add_argument("before", metavar="P", help="a policy: a file, REF:FILE in git, or a preset")
    one.add_argument("after", metavar="Q", help="the policy it is compared with")
    data = one.add_mutually_exclusive_group()
    data.add_argument("--orders", metavar="F", help="a file of orders: who moves")
    data.add_argument("--facts", metavar="F", help="a file of facts in their place")
    one.add_argument("--as-of", metavar="D", type=_moment, help=_DAY)
    _add_data(one)
    one.add_argument(
        "--list", metavar="N", type=_whole, default=0, help="name up to N of those who move"
    )
    one.add_argument(
        "--format", choices=["json", "markdown"], help="write data, or a comment for a proposal"
    )


def _facts(one: argparse.ArgumentParser) -> None:
    _add_orders(one)
    one.add_argument("--as-of", metavar="D", type=_moment, required=True, help=_DAY)
    _add_data(one)
    one.add_argument("--out", metavar="F", required=True, help="the file to write: .csv")
    one.add_argument("--sample", metavar="N", type=_positive, help="draw N customers at random")
    one.add_argument(
        "--key", metavar="TEXT", help="a secret, for the same numbers again; random by default"
    )


def _preset(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    actions.add_parser("list", help="the names of all presets")
    show = actions.add_parser("show", help="print the file of a preset")
    show.add_argument("name", metavar="NAME")


def _add_orders(one: argparse.ArgumentParser) -> None:
    _add_file_of_orders(one)
    one.add_argument(
        "--policy", metavar="P", required=True, help="a policy file, or the name of a preset"
    )


def _add_file_of_orders(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "orders", metavar="ORDERS", help=".csv, .tsv (also .gz), .parquet, .arrow or .feather"
    )


def _add_source(one: argparse.ArgumentParser) -> None:
    one.add_argument("--source", metavar="S", help="a source file: how the orders are to be read")
    one.add_argument(
        "--map",
        metavar="NAME=THEIRS",
        type=_pair,
        action="append",
        default=[],
        help="the standard column NAME is called THEIRS in the file; may be repeated",
    )


def _add_data(one: argparse.ArgumentParser) -> None:
    one.add_argument("--customers", metavar="C", help="a file of customers, column customer_id")
    _add_source(one)
    one.add_argument(
        "--last-evaluated",
        metavar="D",
        type=_moment,
        help="the evaluation before; who first ordered after it is new",
    )
    one.add_argument(
        "--known-at", metavar="T", type=_moment, help="take the data as it was known then"
    )


def _add_language(one: argparse.ArgumentParser) -> None:
    one.add_argument("--language", choices=LANGUAGES, default="en", help="%(default)s by default")


def _moment(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"no day or time: {text!r}; write {_DAY}") from None
    if moment.utcoffset() is None:
        message = f"a time without an offset: {text!r}; write it as 2025-12-31T18:00:00+08:00"
        raise argparse.ArgumentTypeError(message)
    return moment


def _pair(text: str) -> tuple[str, str]:
    name, sign, theirs = text.partition("=")
    if not (name and sign and theirs):
        raise argparse.ArgumentTypeError(f"write NAME=THEIRS, such as amount=total, not {text!r}")
    return name, theirs


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a whole number")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _percent(text: str) -> float:
    from crmcore.workbench.testing.coverage import percentage

    return percentage(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 100:
        raise argparse.ArgumentTypeError("a whole number from 100 on")
    return int(text)
