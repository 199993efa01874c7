//! Cycles of dependencies, the gravest kind first, each as short as can be.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{Anomaly, CycleKind, Dependency, graph::Graph};

/// Cycles that are reported at most; one is proof enough, a few help to see what they have in common.
const CYCLES_MAX: usize = 8;

/// Transactions of one component from which the shortest cycle is looked for: in real time, all that came later may
/// belong to it.
const STARTS_MAX: usize = 256;

/// Sets of dependencies, in each of which cycles of a new kind appear.
const LEVELS: [&[Dependency]; 4] = [
    &[Dependency::WriteWrite],
    &[Dependency::WriteWrite, Dependency::WriteRead],
    &[Dependency::WriteWrite, Dependency::WriteRead, Dependency::ReadOverwritten],
    &[Dependency::WriteWrite, Dependency::WriteRead, Dependency::ReadOverwritten, Dependency::RealTime],
];

/// The cycles of the first level that has any. Nodes below `transaction_count` are transactions.
pub(super) fn find(graph: &Graph, transaction_count: usize) -> Vec<Anomaly> {
    for level in LEVELS {
        let components = Components::of(graph, level);
        let cycles: Vec<_> = (components.circular.iter().take(CYCLES_MAX))
            .map(|nodes| shortest_cycle(graph, level, &components, nodes))
            .map(|cycle| anomaly(&cycle, transaction_count))
            .collect();
        if !cycles.is_empty() {
            return cycles;
        }
    }
    Vec::new()
}

/// A cycle with its instants left out: what stands around them is in the order of time.
fn anomaly(cycle: &[(usize, Dependency)], transaction_count: usize) -> Anomaly {
    let steps: Vec<_> = cycle.iter().copied().filter(|(node, _)| *node < transaction_count).collect();
    let is_in_real_time = steps.iter().any(|(_, dependency)| *dependency == Dependency::RealTime);
    Anomaly::Cycle { kind: CycleKind::of(&steps), is_in_real_time, steps }
}

/// The shortest cycle that is found among these nodes; one with a single anti-dependency if there is one.
fn shortest_cycle(
    graph: &Graph,
    level: &[Dependency],
    components: &Components,
    nodes: &[usize],
) -> Vec<(usize, Dependency)> {
    let component = components.number[nodes[0]];
    let inside = |node: usize, allowed: &[Dependency]| {
        let allowed = allowed.to_vec();
        (graph.edges_of(node).iter().copied())
            .filter(move |(next, kind)| components.number[*next] == component && allowed.contains(kind))
    };
    let anti_dependency = Dependency::ReadOverwritten;
    let without: Vec<_> = level.iter().copied().filter(|kind| *kind != anti_dependency).collect();
    let starts = || nodes.iter().take(STARTS_MAX);
    let single = starts().flat_map(|node| {
        let edges = inside(*node, &[anti_dependency]);
        edges.filter_map(|(next, kind)| path(next, *node, |node| inside(node, &without), (*node, kind)))
    });
    if let Some(cycle) = single.min_by_key(Vec::len) {
        return cycle;
    }
    let any = starts().flat_map(|node| {
        inside(*node, level)
            .filter_map(|(next, kind)| path(next, *node, |node| inside(node, level), (*node, kind)))
    });
    any.min_by_key(Vec::len).expect("a component of several nodes has a cycle")
}

/// The shortest way from `from` to `to`, behind the `first` step that led to `from`.
fn path<E: Iterator<Item = (usize, Dependency)>>(
    from: usize,
    to: usize,
    edges_of: impl Fn(usize) -> E,
    first: (usize, Dependency),
) -> Option<Vec<(usize, Dependency)>> {
    let mut came_from: FxHashMap<usize, (usize, Dependency)> = FxHashMap::default();
    let mut open = VecDeque::from([from]);
    while let Some(node) = open.pop_front() {
        if node == to {
            let mut steps = Vec::new();
            let mut at = to;
            while at != from {
                let step = came_from[&at];
                steps.push(step);
                at = step.0;
            }
            steps.push(first);
            steps.reverse();
            return Some(steps);
        }
        for (next, kind) in edges_of(node) {
            if next != from && !came_from.contains_key(&next) {
                came_from.insert(next, (node, kind));
                open.push_back(next);
            }
        }
    }
    None
}

/// Strongly connected components, by Tarjan's algorithm without recursion.
struct Components {
    /// By node: the number of its component.
    number: Vec<usize>,
    /// The components of more than one node.
    circular: Vec<Vec<usize>>,
}

const UNSEEN: usize = usize::MAX;

struct Tarjan<'a> {
    graph: &'a Graph,
    allowed: &'a [Dependency],
    seen_at: Vec<usize>,
    lowest: Vec<usize>,
    is_on_stack: Vec<bool>,
    stack: Vec<usize>,
    /// Nodes whose edges are being followed, each with the next edge.
    path: Vec<(usize, usize)>,
    seen_count: usize,
    found: Components,
    component_count: usize,
}

impl Components {
    fn of(graph: &Graph, allowed: &[Dependency]) -> Self {
        let count = graph.node_count();
        let mut tarjan = Tarjan {
            graph,
            allowed,
            seen_at: vec![UNSEEN; count],
            lowest: vec![0; count],
            is_on_stack: vec![false; count],
            stack: Vec::new(),
            path: Vec::new(),
            seen_count: 0,
            found: Components { number: vec![UNSEEN; count], circular: Vec::new() },
            component_count: 0,
        };
        for node in 0..count {
            if tarjan.seen_at[node] == UNSEEN {
                tarjan.visit(node);
            }
        }
        tarjan.found
    }
}

impl Tarjan<'_> {
    fn visit(&mut self, root: usize) {
        self.enter(root);
        while let Some((node, edge)) = self.path.last().copied() {
            let Some(&(next, kind)) = self.graph.edges_of(node).get(edge) else {
                self.leave(node);
                continue;
            };
            self.path.last_mut().expect("it was just looked at").1 += 1;
            if !self.allowed.contains(&kind) {
                continue;
            }
            if self.seen_at[next] == UNSEEN {
                self.enter(next);
            } else if self.is_on_stack[next] {
                self.lowest[node] = self.lowest[node].min(self.seen_at[next]);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.seen_at[node] = self.seen_count;
        self.lowest[node] = self.seen_count;
        self.seen_count += 1;
        self.is_on_stack[node] = true;
        self.stack.push(node);
        self.path.push((node, 0));
    }

    fn leave(&mut self, node: usize) {
        self.path.pop();
        if let Some((parent, _)) = self.path.last() {
            self.lowest[*parent] = self.lowest[*parent].min(self.lowest[node]);
        }
        if self.lowest[node] == self.seen_at[node] {
            self.close_component(node);
        }
    }

    fn close_component(&mut self, root: usize) {
        let start = self.stack.iter().rposition(|node| *node == root).expect("the root is on the stack");
        let nodes = self.stack.split_off(start);
        for node in &nodes {
            self.is_on_stack[*node] = false;
            self.found.number[*node] = self.component_count;
        }
        self.component_count += 1;
        if nodes.len() > 1 {
            self.found.circular.push(nodes);
        }
    }
}
