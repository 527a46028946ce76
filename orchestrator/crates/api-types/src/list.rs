//! Lists in pages.

use cloudbox_types::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Sent as `cursor`, it gets the next part; null at the list's end.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of the store, with each item as the API shows it.
    pub fn from_page<D>(page: Page<D>, show: impl FnMut(D) -> T) -> Self {
        let next_cursor = page.next.map(|next| next.to_string());
        Self { items: page.items.into_iter().map(show).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_a_list_with_a_text_cursor() {
        let list = List::from_page(Page { items: vec![1, 2], next: Some(2) }, |n| n * 10);
        assert_eq!(list, List { items: vec![10, 20], next_cursor: Some("2".to_owned()) });
    }

    #[test]
    fn the_last_page_says_null() {
        let list = List::from_page(Page { items: vec![1], next: None }, |n| n);
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"{"items":[1],"next_cursor":null}"#);
    }
}
