//! Whose turn it is to start a sandbox: round robin over projects, and over the keys of a project.

use std::collections::VecDeque;

use cloudbox_types::{IdMap, ProjectId};

use crate::target::TargetKey;

/// The keys that want a start. A key that finds no room keeps its place.
#[derive(Default)]
pub(crate) struct Rotation {
    order: VecDeque<ProjectId>,
    keys: IdMap<ProjectId, VecDeque<TargetKey>>,
}

impl Rotation {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds a key at the end of its project's line; once.
    pub fn add(&mut self, key: TargetKey) {
        let keys = self.keys.entry(key.project).or_default();
        if keys.is_empty() {
            self.order.push_back(key.project);
        }
        if !keys.contains(&key) {
            keys.push_back(key);
        }
    }

    /// Takes a key out that wants no start.
    pub fn remove(&mut self, key: TargetKey) {
        let Some(keys) = self.keys.get_mut(&key.project) else { return };
        keys.retain(|other| *other != key);
        if keys.is_empty() {
            self.keys.remove(&key.project);
            self.order.retain(|project| *project != key.project);
        }
    }

    /// Puts a key that had its turn behind its project's others, and the project behind the other projects.
    pub fn turn(&mut self, key: TargetKey) {
        let Some(keys) = self.keys.get_mut(&key.project) else { return };
        if let Some(at) = keys.iter().position(|other| *other == key) {
            keys.remove(at);
            keys.push_back(key);
        }
        self.order.retain(|project| *project != key.project);
        self.order.push_back(key.project);
    }

    /// Who is next, leaving out those in `skipped`.
    pub fn next(&self, skipped: &[TargetKey]) -> Option<TargetKey> {
        let mut lines = self.order.iter().filter_map(|project| self.keys.get(project));
        lines.find_map(|keys| keys.iter().find(|key| !skipped.contains(key))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudbox_types::FunctionId;

    fn key(project: i64, function: i64) -> TargetKey {
        TargetKey { project: ProjectId(project), function: FunctionId(function), version: 1, revision: 1 }
    }

    #[test]
    fn projects_take_turns_whatever_they_ask_for() {
        let mut rotation = Rotation::default();
        for function in 1..=3 {
            rotation.add(key(1, function));
        }
        rotation.add(key(2, 9));
        let mut served = Vec::new();
        for _ in 0..6 {
            let next = rotation.next(&[]).unwrap();
            rotation.turn(next);
            served.push((next.project.0, next.function.0));
        }
        assert_eq!(served, [(1, 1), (2, 9), (1, 2), (2, 9), (1, 3), (2, 9)]);
    }

    #[test]
    fn a_skipped_key_keeps_its_place() {
        let mut rotation = Rotation::default();
        rotation.add(key(1, 1));
        rotation.add(key(2, 2));
        assert_eq!(rotation.next(&[key(1, 1)]), Some(key(2, 2)));
        assert_eq!(rotation.next(&[]), Some(key(1, 1)));
        rotation.remove(key(1, 1));
        rotation.remove(key(2, 2));
        assert!(rotation.is_empty());
    }
}
