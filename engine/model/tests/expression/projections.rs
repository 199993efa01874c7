//! What projections show.

use basalt_model::Item;
use basalt_model::expression::Projection;

use crate::support::{item, l, m, n, projection, s, ss};

fn shown(text: &str, whole: &Item) -> Item {
    let projected = projection(text).project(whole.encode().as_item()).unwrap();
    basalt_format::item_encoding::validate(projected.as_bytes()).unwrap();
    projected.as_item().to_item().unwrap()
}

fn example() -> Item {
    item([
        ("a", n("1")),
        ("b", ss(["x", "y"])),
        ("c", l([s("c0"), s("c1"), s("c2")])),
        ("d", m([("x", n("1")), ("y", m([("z", n("2")), ("w", n("3"))]))])),
        ("e", l([m([("p", n("1")), ("q", n("2")), ("r", n("3"))]), l([n("8"), n("9")])])),
    ])
}

#[test]
fn attributes_come_whole_and_missing_ones_not_at_all() {
    assert_eq!(shown("b, gone, a", &example()), item([("a", n("1")), ("b", ss(["x", "y"]))]));
    assert_eq!(shown("gone, a.b, b[0], c.x, d[0]", &example()), Item::new());
    assert_eq!(shown("d.gone.z, d.x.z, c[7], c[0][0]", &example()), Item::new());
    assert!(projection("gone").project(example().encode().as_item()).unwrap().as_item().is_empty());
}

#[test]
fn nested_paths_keep_the_shape_above_them() {
    assert_eq!(shown("d.y.z, d.x", &example()), item([("d", m([("x", n("1")), ("y", m([("z", n("2"))]))]))]));
    // A branch that finds something does not bring along one that does not.
    assert_eq!(shown("d.y.gone, d.x", &example()), item([("d", m([("x", n("1"))]))]));
}

#[test]
fn elements_of_lists_ascend_and_move_together() {
    assert_eq!(shown("c[2], c[0]", &example()), item([("c", l([s("c0"), s("c2")]))]));
    assert_eq!(shown("c[10], c[1]", &example()), item([("c", l([s("c1")]))]));
}

#[test]
fn paths_through_one_element_are_merged_into_one_element() {
    assert_eq!(shown("e[0].r, e[0].p", &example()), item([("e", l([m([("p", n("1")), ("r", n("3"))])]))]));
    assert_eq!(
        shown("e[1][1], e[0].gone, e[0].q", &example()),
        item([("e", l([m([("q", n("2"))]), l([n("9")])]))])
    );
    assert_eq!(shown("e[1][1], e[0].gone", &example()), item([("e", l([l([n("9")])]))]));
}

#[test]
fn paths_made_by_hand_may_overlap_and_the_shorter_one_wins() {
    let path = |name: &str| basalt_model::DocumentPath::attribute(name);
    let mut deep = path("d");
    deep.rest.push(basalt_model::PathElement::Name("x".to_owned()));
    let both = Projection::new(vec![deep, path("d")]).project(example().encode().as_item()).unwrap();
    assert_eq!(both.as_item().to_item().unwrap().get("d"), example().get("d"));
}
