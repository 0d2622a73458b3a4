//! Plain tables: columns as wide as their widest cell, three spaces between, as kubectl prints them.

/// The lines of a table. Rows shorter than the header are padded.
#[must_use]
pub fn render(header: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let mut lines: Vec<Vec<&str>> = header.map(<[&str]>::to_vec).into_iter().collect();
    lines.extend(rows.iter().map(|row| row.iter().map(String::as_str).collect()));
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let rows = vec![vec!["db".to_owned(), "ClusterIP".to_owned()], vec!["web-front".to_owned(), "x".to_owned()]];
        assert_eq!(render(Some(&["NAME", "TYPE"]), &rows), "NAME        TYPE\ndb          ClusterIP\nweb-front   x\n");
        assert_eq!(render(None, &rows[..1]), "db   ClusterIP\n");
        assert_eq!(render(None, &[]), "");
    }
}
