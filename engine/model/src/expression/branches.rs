//! Sets of paths walked beside the documents they lead into.
//!
//! Sorted, the paths that share their first steps are neighbours; so a slice of paths is a branch of their tree, and
//! the tree needs no nodes. Where one path leads through the value of another, the shorter one comes first and wins.

use crate::path::{DocumentPath, PathElement};

/// Something that belongs to a path.
pub(crate) trait HasPath {
    fn path(&self) -> &DocumentPath;
}

impl HasPath for DocumentPath {
    fn path(&self) -> &DocumentPath {
        self
    }
}

/// One step of a path, the attribute's name being the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

/// The paths of `branch`, which agree on the first `depth` steps, by their next step. Names come first, both ascend.
pub(crate) fn sub_branches<T: HasPath>(branch: &[T], depth: usize) -> impl Iterator<Item = (Step<'_>, &[T])> {
    let same_step = move |left: &T, right: &T| step(left.path(), depth) == step(right.path(), depth);
    let with_step = move |branch| Some((step(first_path(branch)?, depth)?, branch));
    branch.chunk_by(same_step).filter_map(with_step)
}

/// What belongs to the value that the first `depth` steps lead to, if a path ends there.
pub(crate) fn end<T: HasPath>(branch: &[T], depth: usize) -> Option<&T> {
    branch.first().filter(|first| first.path().rest.len() + 1 == depth)
}

fn first_path<T: HasPath>(branch: &[T]) -> Option<&DocumentPath> {
    branch.first().map(HasPath::path)
}

fn step(path: &DocumentPath, depth: usize) -> Option<Step<'_>> {
    match depth.checked_sub(1) {
        None => Some(Step::Name(&path.name)),
        Some(position) => path.rest.get(position).map(|element| match element {
            PathElement::Name(name) => Step::Name(name),
            PathElement::Index(index) => Step::Index(*index as usize),
        }),
    }
}
