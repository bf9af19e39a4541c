"""Images of nets as files: written from a specification, mapped, and explored."""

from __future__ import annotations

import os
import threading
from array import array

import msgspec
import pytest

from weft.cli.nets import net_of
from weft.engine.net import Arc, Net, OrJoin, Place, external, immediate
from weft.engine.verify.statespace import explore, explore_image
from weft.images import image_bytes, open_image, write_image
from weft.native import kernel
from weft.native.imagefile import write_image as packed
from weft.schema.errors import DefinitionError, JournalError, UsageError

TEXT = """
weft: 1
name: two
net:
  start: a
  tasks:
    a: {then: {parallel-split: [b, c]}}
    b: {then: d}
    c: {then: d}
    d: {join: synchronization}
"""

PLACES = (Place("in", 1), Place("out"))
GO = external("go", take=["in"], put=["out"])


def net(*transitions):
    return Net("n", PLACES, transitions or (GO,))


def test_a_mapped_net_is_the_net(folder):
    (folder / "two.yaml").write_text(TEXT)
    whole = net_of(folder / "two.yaml")
    write_image("two.weftnet", whole)
    for copied in (False, True):
        mapped = open_image("two.weftnet", copied=copied)
        name, places, transitions = mapped.names()
        assert (name, places) == (whole.name, tuple(p.name for p in whole.places))
        assert transitions == tuple(t.name for t in whole.transitions)
        assert bytes(mapped.stored.initial) == whole.initial
        assert explore_image(mapped.stored, places) == explore(whole)
    assert sorted(p.name for p in folder.iterdir()) == ["two.weftnet", "two.yaml"]


def test_the_command_writes_and_explores(weft, folder):
    (folder / "two.yaml").write_text(TEXT)
    done = weft("convert", "two.yaml", "two.weftnet", "--json")
    assert done.code == 0
    assert done.json["format"] == "image"
    assert (
        "wrote two.weftnet, the image of the net" in weft("convert", "two.yaml", "two.weftnet").out
    )
    found, direct = (weft("statespace", f, "--json").json for f in ("two.weftnet", "two.yaml"))
    for answer in (found, direct):
        del answer["seconds"], answer["file"]
    assert found == direct
    plain, other = weft("statespace", "two.weftnet").out, weft("statespace", "two.yaml").out
    assert plain.splitlines()[-1] == other.splitlines()[-1]


def test_a_damaged_file_is_refused(weft, folder):
    write_image("n.weftnet", net())
    data = bytearray((folder / "n.weftnet").read_bytes())
    data[200] ^= 1
    (folder / "n.weftnet").write_bytes(data)
    done = weft("statespace", "n.weftnet", "--json")
    assert done.code == 2
    assert done.json["error"] == {
        "class": "DefinitionError",
        "code": "image",
        "message": "cannot use this image: byte 24 (header): the checksum does not fit: "
        "the file is damaged",
        "where": "n.weftnet",
    }
    data[200] ^= 1
    data[-3] ^= 1
    (folder / "n.weftnet").write_bytes(data)
    mapped = open_image("n.weftnet")
    with pytest.raises(DefinitionError, match=r"\(text\): the checksum does not fit"):
        mapped.names()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "these are no names"),
        (b"[]", "these are no names"),
        (b'{"name":"n","places":["in"],"transitions":["go"]}', "1 places and 1 transitions, and"),
    ],
)
def test_a_text_without_names_is_refused(folder, text, message):
    data = packed(net().image, initial=[1, 0], order=[0], guarded=[False], text=text)
    (folder / "n.weftnet").write_bytes(data)
    with pytest.raises(DefinitionError, match=message):
        open_image("n.weftnet").names()


@pytest.mark.parametrize("copied", [False, True])
def test_what_is_no_file_is_refused(folder, copied):
    os.mkfifo("pipe")
    (folder / "empty").touch()
    for path, message in (
        ("missing", "cannot read: No such file"),
        (".", "cannot read: "),
        ("pipe", "this is no regular file"),
        ("n\0l", "cannot read: embedded null byte"),
        ("empty", "the file ends here"),
    ):
        with pytest.raises(DefinitionError, match=message):
            open_image(path, copied=copied)


@pytest.mark.parametrize(
    ("transition", "message"),
    [
        (immediate("j", put=["out"], or_join=OrJoin(("in", "out"))), "'j' is an OR-join, which"),
        (
            immediate("w", take=["in"], lacks=[Arc("out", 1, True)]),
            "'w' counts tokens over several",
        ),
        (immediate("p", take=["in"], priority=2**31), "the order has 2147483648"),
    ],
)
def test_what_an_image_cannot_hold_is_not_written(folder, transition, message):
    with pytest.raises(UsageError, match=message):
        write_image("n.weftnet", net(transition))
    assert not list(folder.iterdir())


def test_a_net_that_counts_from_data_is_not_explored(folder):
    write_image("n.weftnet", net(immediate("c", take=["in"], counted={"out": "n"})))
    mapped = open_image("n.weftnet")
    with pytest.raises(UsageError, match="transition 0 puts a number of tokens that depends"):
        explore_image(mapped.stored, mapped.names()[1])
    write_image("n.weftnet", net())
    with pytest.raises(UsageError, match="max_states is at least 1, not 0"):
        explore_image(open_image("n.weftnet").stored, ["in", "out"], max_states=0)


def test_where_nothing_can_be_written(weft, folder):
    with pytest.raises(JournalError, match="cannot write the image: No such file"):
        write_image("no/such/folder.weftnet", net())
    (folder / "n.weftnet").mkdir()
    with pytest.raises(JournalError, match="cannot write the image: Is a directory"):
        write_image("n.weftnet", net())
    assert [p.name for p in folder.iterdir()] == ["n.weftnet"]
    (folder / "two.yaml").write_text(TEXT)
    write_image("same.weftnet", net())
    done = weft("convert", "same.weftnet", "same.weftnet", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "same")


def test_a_file_is_replaced_under_those_who_have_mapped_it(folder):
    write_image("n.weftnet", net())
    before = open_image("n.weftnet")
    write_image("n.weftnet", Net("other", (Place("p", 2),), ()))
    assert before.names()[0] == "n"
    assert open_image("n.weftnet").names() == ("other", ("p",), ())

    def work(results):
        marking = array("i", bytes(before.stored.initial))
        kernel.fire(before.stored.image, marking, 0)
        results.append(list(marking))

    results: list[list[int]] = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[0, 1]] * 3


def test_names_are_json():
    data = image_bytes(net())
    assert msgspec.json.decode(data[data.index(b'{"name"') :]) == {
        "name": "n",
        "places": ["in", "out"],
        "transitions": ["go"],
    }
