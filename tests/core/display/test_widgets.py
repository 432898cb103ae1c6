"""The text of widgets: what a console would show in their place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.widgets import (
    MODELS_MAX,
    STATE_CHARS,
    STATE_MIME,
    Widgets,
    stored_widgets,
    view_of,
)
from jlab_tui.core.journal.events import WidgetsChanged


def widgets(**models: dict[str, Any] | None) -> Widgets:
    found = Widgets()
    for name, state in models.items():
        found.apply(WidgetsChanged("r", {name: state}))
    return found


def model(kind: str, *children: str, **state: Any) -> dict[str, Any]:
    held = {"children": [f"IPY_MODEL_{child}" for child in children]} if children else {}
    return {"_model_name": f"{kind}Model", **held, **state}


BAR = model("FloatProgress", value=3.5, min=0.0, max=10.0)
HIDDEN = {"layout": "IPY_MODEL_l"}


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"a": model("HTML", value="<b>x</b>&nbsp;y")}, "x y"),
        ({"a": model("Label", value="<b>")}, "<b>"),
        ({"a": BAR}, "|███▌      |"),
        ({"a": model("IntProgress", value=15, min=10, max=20, description="epoch: ")}, "epoch: |█████     |"),
        ({"a": model("FloatProgress", value="x", min=None, max=True)}, "|          |"),
        ({"a": model("HBox", "b", "c", "d"), "b": model("HTML", value="train: 35%"), "c": BAR, "d": model("HTML", value=" 7/20 ")}, "train: 35%|███▌      | 7/20"),
        ({"a": model("HBox", "b", "c"), "b": model("HTML", value=""), "c": BAR | {"layout": "IPY_MODEL_l"}, "l": {"width": "20px"}}, ""),
        ({"a": model("VBox", "b", "c", "gone"), "b": model("Label", value="x"), "c": BAR}, "x\n|███▌      |"),
        ({"a": model("Tab", "b"), "b": model("Label", value="x")}, "x"),
        ({"a": model("Tab", "b", "c", titles=["first", "second"]), "b": BAR, "c": model("VBox", "d", "e"), "d": BAR, "e": BAR},
         "first: |███▌      |\nsecond:\n|███▌      |\n|███▌      |"),
        ({"a": model("Accordion", "b", "c", _titles={"1": "old"}), "b": model("Label", value="x"), "c": BAR}, "x\nold: |███▌      |"),
        ({"a": model("Tab", "b", titles=["gone"])}, ""),
        ({"a": model("Stack", "b", "c", selected_index=1), "b": BAR, "c": model("Label", value="x")}, "x"),
        ({"a": model("Stack", "b", selected_index=None), "b": BAR}, ""),
        ({"a": model("Password", value="secret", description="token")}, "token: ****"),
        ({"a": model("Password", value="")}, ""),
        ({"a": model("SelectMultiple", index=[0, 2], description="many", _options_labels=["x", "y", "z"])}, "many: x, z"),
        ({"a": model("SelectMultiple", index=[], description="many", _options_labels=["x"])}, "[many]"),
        ({"a": model("SelectionRangeSlider", index=[1, 7, "x"], _options_labels=["x", 2.5])}, "2.5"),
        ({"a": model("Label", value="x", layout="IPY_MODEL_l"), "l": {"visibility": "hidden"}}, ""),
        ({"a": model("Label", value="x", layout="IPY_MODEL_l"), "l": {"display": "none"}}, ""),
        ({"a": model("Label", value="x", layout="IPY_MODEL_gone")}, "x"),
        ({"a": model("Label", value="x"), "b": None}, "x"),
        ({"a": model("IntSlider", value=7, description="n")}, "n: 7"),
        ({"a": model("Checkbox", value=True, description="on")}, "on: True"),
        ({"a": model("Dropdown", index=1, description="pick", _options_labels=["x", "y"])}, "pick: y"),
        ({"a": model("Dropdown", index=5, description="pick", _options_labels=["x"])}, "[pick]"),
        ({"a": model("FloatRangeSlider", value=[1.0, 2.5])}, "1.0, 2.5"),
        ({"a": model("Plot", value=[1, 2, 3, 4, 5])}, None),
        ({"a": model("Button", description="Go")}, "[Go]"),
        ({"a": model("Canvas")}, None),
        ({"a": model("Image", format="png", value=None)}, "[image: png]"),
        ({"a": model("Any", _widget_data=[{"type": "bar"}], layout="IPY_MODEL_l"), "l": {}}, "[plotly figure: bar]"),
        ({"a": model("Output", outputs=[])}, ""),
        ({"a": model("Output", outputs=[{"text": "t"}, {"data": {"text/plain": "d"}}, {"evalue": "e"}, 7])}, "t\nd\ne"),
        ({"a": model("VBox", "a", "b"), "b": model("HBox", "a")}, ""),
        ({"a": model("Label", value="\x1b[31mred\u202e")}, "red"),
        ({"a": {"_model_name": None}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_widget_is_told_as_a_console_would_show_it(models: dict[str, Any], words: str | None) -> None:
    assert widgets(**models).text("a") == words


def test_a_closed_widget_shows_nothing() -> None:
    found = widgets(a=model("Label", value="x"))
    assert found.show("a") == "x"
    found.apply(WidgetsChanged("r", {"a": None, "unknown": None}))
    assert (found.text("a"), found.views(["a"])) == ("", {"a": ""})
    assert found.models["a"].is_closed


def test_what_changes_within_a_shown_widget_changes_its_text() -> None:
    found = widgets(a=model("VBox", "b"), b=model("HBox", "c"), c=model("Label", value="1"), d=model("Label"))
    assert (found.show("a"), found.show("unknown")) == ("1", None)
    assert found.views(["c"]) == {}, "it shows that already"
    found.apply(WidgetsChanged("r", {"c": {"value": "2"}, "d": {"value": "3"}}))
    assert found.views(["c", "d"]) == {"a": "2"}
    found.apply(WidgetsChanged("r", {}, views={"a": "2"}))
    assert found.views(["c"]) == {}
    found.apply(WidgetsChanged("r", {"a": {"children": ["IPY_MODEL_a", "IPY_MODEL_b"]}}))
    assert found.views(["a", "b", "c"]) == {}


def test_an_output_widget_captures_until_it_lets_go_and_the_innermost_first() -> None:
    found = widgets(a=model("Output", msg_id=""), b=model("Output", msg_id=""))
    said = []
    for name, msg_id in (("a", "m"), ("b", "m"), ("b", ""), ("b", ""), ("a", None), ("a", "n")):
        found.apply(WidgetsChanged("r", {name: {"msg_id": msg_id}}))
        said.append(found.capturing("m"))
    assert said == ["a", "b", "a", "a", "", ""] and found.capturing("n") == "a"


def test_of_very_many_models_the_oldest_are_forgotten() -> None:
    found = widgets(first=model("Label", value="x"))
    found.show("first")
    for number in range(MODELS_MAX):
        found.apply(WidgetsChanged("r", {f"m{number}": {"n": number}}))
    assert len(found.models) == MODELS_MAX and found.text("first") is None
    large = widgets(a={"value": "x" * (STATE_CHARS // 2)}, b={"value": "x" * (STATE_CHARS // 2 + 1)})
    assert list(large.models) == ["b"]
    for _ in range(5):
        large.apply(WidgetsChanged("r", {"b": {"value": "x" * (STATE_CHARS // 2)}}))
    assert list(large.models) == ["b"], "a value that is replaced counts once"


def test_a_very_wide_tree_is_told_as_far_as_it_goes() -> None:
    names = [f"c{number}" for number in range(1000)]
    found = widgets(a=model("VBox", *names), **{name: model("Label", value=name) for name in names})
    words = found.text("a")
    assert words is not None and words.startswith("c0\nc1\n") and len(words.split("\n")) == 60
    assert words.endswith("\nc58\n... and 941 more widgets")
    long = widgets(a=model("Label", value="x" * 9000)).text("a")
    assert long == f"{'x' * 4000}\n... and 5,000 more characters"


def test_what_a_widget_consists_of_is_found_once() -> None:
    found = widgets(
        a=model("VBox", "b", "b", layout="IPY_MODEL_l"), b=model("Label"), l={"x": {"y": "IPY_MODEL_a"}}, c={}
    )
    assert sorted(found.needed_by(["a", "unknown"])) == ["a", "b", "l"]


def test_binary_values_are_kept_by_their_path() -> None:
    found = Widgets()
    for data in ("AA==", "BB=="):
        buffers = {"a": [{"path": ["value"], "encoding": "base64", "data": data}, 7]}
        found.apply(WidgetsChanged("r", {"a": {}}, buffers))
    assert [buffer.get("data") for buffer in found.models["a"].buffers.values()] == ["BB==", None]


def test_the_widgets_of_a_stored_notebook_are_told_too() -> None:
    state = {"a": {"model_name": "LabelModel", "state": {"value": "x"}}, "b": 7}
    assert stored_widgets({"widgets": {STATE_MIME: {"state": state}}}).text("a") == "x"
    assert stored_widgets({"widgets": 7}).models == {}
    assert (
        view_of({"application/vnd.jupyter.widget-view+json": {"model_id": "a"}}) == "a" and view_of({}) == ""
    )


NAMES = st.sampled_from(["data", "y", "type", "mark", "encoding", "layer", "title", "docs_json", "roots", "attributes", "renderers"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
STATES = st.fixed_dictionaries(
    {},
    optional={
        "_model_name": st.sampled_from(["HBoxModel", "VBoxModel", "HTMLModel", "FloatProgressModel", "OutputModel", "TabModel", "StackModel", "LeafletMapModel", "X"]),
        "children": st.lists(st.sampled_from(["IPY_MODEL_a", "IPY_MODEL_b", "IPY_MODEL_c", "x", 3])),
        "layout": st.sampled_from(["IPY_MODEL_a", "IPY_MODEL_l", None]),
        "_widget_data": JSON,
        "spec": JSON,
        "render_bundle": JSON,
        "titles": JSON,
        "index": JSON,
        "value": st.none() | st.floats() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=5),
        "max": st.floats() | st.integers(),
        "msg_id": st.sampled_from(["", "m", None, 3]),
        "outputs": st.lists(st.dictionaries(st.sampled_from(["text", "data"]), st.text(max_size=3), max_size=2), max_size=2),
    },
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("abcl"), st.none() | STATES), max_size=12))
def test_any_states_in_any_order_give_a_text_of_bounded_length(
    changes: list[tuple[str, dict[str, Any] | None]],
) -> None:
    found = Widgets()
    for name, state in changes:
        found.apply(WidgetsChanged("r", {name: state}))
        found.show(name)
        for words in found.views([name]).values():
            assert len(words) <= 4100
        assert len(found.needed_by(["a"])) <= 4 and isinstance(found.capturing("m"), str)
