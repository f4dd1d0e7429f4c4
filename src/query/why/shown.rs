//! The tree of why as people read it: with its branches on the command line, as a short list in chat.

use super::{About, Node};
use crate::domain::message::{Doc, Span};
use crate::domain::words::why as say;

/// Most lines of an answer in chat.
pub const LINES_MAX: usize = 15;
/// The lines at its end that are always told, where it has more.
const LAST_LINES: usize = 4;
/// Deepest branch that is told.
const DEPTH_MAX: usize = 16;

/// The lines of the tree, each behind its branches.
pub fn lines(root: &Node) -> Vec<String> {
    let mut lines = vec![root.words.clone()];
    branches(&root.children, "", 0, &mut lines);
    lines
}

fn branches(nodes: &[Node], before: &str, depth: usize, lines: &mut Vec<String>) {
    if depth >= DEPTH_MAX {
        return;
    }
    for (nth, node) in nodes.iter().enumerate() {
        let last = nth + 1 == nodes.len();
        let (branch, below) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
        lines.push(format!("{before}{branch}{}", node.words));
        branches(&node.children, &format!("{before}{below}"), depth + 1, lines);
    }
}

/// The answer in chat: a list in the order in which things followed, its middle left out where it is long.
pub fn chat(root: &Node, about: &About) -> Doc {
    let mut flat = vec![];
    flatten(root, 0, &mut flat);
    if flat.len() > LINES_MAX {
        let left = flat.len() - LINES_MAX + 1;
        let from = LINES_MAX - LAST_LINES - 1;
        flat.splice(from..from + left, [say::left_out(left, &named(about, root))]);
    }
    Doc::default().list(flat.into_iter().map(|words| vec![Span::Text(words)]))
}

fn flatten(node: &Node, depth: usize, into: &mut Vec<String>) {
    into.push(node.words.clone());
    if depth < DEPTH_MAX {
        node.children.iter().for_each(|child| flatten(child, depth + 1, into));
    }
}

/// What shows the whole on the command line.
fn named(about: &About, root: &Node) -> String {
    match about {
        About::Execution(id) => id.short().to_owned(),
        About::Message(id) => format!("message-{id}"),
        About::Trigger(stream) => stream.to_string(),
        About::Event(id) => root.event.clone().unwrap_or_else(|| id.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(words: &str, children: Vec<Node>) -> Node {
        Node { children, ..Node::new("effect", words) }
    }

    #[test]
    fn branches_show_what_followed_from_what() {
        let tree = node("a", vec![node("b", vec![node("c", vec![])]), node("d", vec![])]);
        assert_eq!(lines(&tree), ["a", "├ b", "│ └ c", "└ d"]);
    }

    #[test]
    fn a_long_answer_leaves_out_its_middle() {
        for (steps, want) in [(LINES_MAX - 1, 0), (LINES_MAX, 2), (100, 87)] {
            let tree = node("a", (0..steps).map(|n| node(&n.to_string(), vec![])).collect());
            let about = About::Execution(crate::domain::id::ExecutionId("4F7K2Q9AXX".into()));
            let told = chat(&tree, &about).words();
            let told: Vec<&str> = told.lines().collect();
            assert!(told.len() <= LINES_MAX, "{steps}");
            let last = format!("{}", steps - 1);
            assert!(told.last().is_some_and(|line| line.ends_with(&last)), "{told:?}");
            let left = told.iter().find(|line| line.contains("more: `beadle why 4F7K2Q9A`"));
            assert_eq!(left.is_some(), want > 0, "{told:?}");
            assert!(left.is_none_or(|line| line.contains(&format!("… {want} steps"))), "{told:?}");
        }
    }

    #[test]
    fn a_deep_tree_has_a_bound() {
        let deep = (0..DEPTH_MAX + 5).fold(node("x", vec![]), |below, _| node("y", vec![below]));
        assert_eq!(lines(&deep).len(), DEPTH_MAX + 1);
    }
}
