//! Users are given back.

use super::*;

#[test]
fn a_user_is_given_back() {
    let all = Arc::new(Uids::new(7));
    let (first, second) = (all.take(), all.take());
    assert_ne!(first.number(), second.number());
    drop((first, second));
    assert!(all.taken.lock().is_empty());
}
