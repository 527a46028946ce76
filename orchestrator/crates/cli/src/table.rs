//! Tables without lines: for people, and for `grep` and `awk`.

use comfy_table::{ContentArrangement, Table, presets};

/// Rows below a head, in columns; as wide as their texts where nobody watches.
#[must_use]
pub fn render(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned_and_lines_end_with_text() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long-name".to_owned(), String::new()]];
        assert_eq!(super::render(&["NAME", "N"], rows), "NAME       N\na          1\nlong-name");
    }
}
