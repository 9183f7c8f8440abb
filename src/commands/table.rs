//! Tables for people: aligned columns without lines, in colour on a terminal.

use std::{
    array, env,
    io::{self, IsTerminal},
};

use unicode_width::UnicodeWidthStr;

/// One cell of a table: a text, and the numbers of its ANSI style, if any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    style: Option<&'static str>,
}

pub(super) const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";
pub(super) const RED: &str = "31";
pub(super) const BOLD_RED: &str = "1;31";

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: None }
    }

    pub(super) fn styled(text: impl Into<String>, style: &'static str) -> Self {
        Self { text: text.into(), style: Some(style) }
    }
}

/// Lays out the header and the rows. A `NO_COLOR` variable that is not empty turns colours off.
pub(super) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = [Cell; COLUMNS]>,
) -> String {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    layout(header, rows, io::stdout().is_terminal() && !no_color)
}

fn layout<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = [Cell; COLUMNS]>,
    in_colour: bool,
) -> String {
    let rows: Vec<[Cell; COLUMNS]> = [header.map(Cell::new)].into_iter().chain(rows).collect();
    let widths: [usize; COLUMNS] =
        array::from_fn(|column| rows.iter().map(|row| row[column].text.width()).max().unwrap_or_default());
    rows.iter().map(|row| line(row, &widths, in_colour)).collect()
}

fn line(row: &[Cell], widths: &[usize], in_colour: bool) -> String {
    let mut line = String::new();
    for (Cell { text, style }, width) in row.iter().zip(widths) {
        match style.filter(|_| in_colour) {
            Some(style) => line.extend(["\u{1b}[", style, "m", text, "\u{1b}[0m"]),
            None => line += text,
        }
        line += &" ".repeat(width - text.width() + 2);
    }
    line.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = [Cell; 3]> {
        [("办公室", "1"), ("a", "long")]
            .map(|(name, link)| [Cell::new(name), Cell::styled(link, RED), Cell::new("x")])
            .into_iter()
    }

    #[test]
    fn columns_are_aligned_by_display_width() {
        let text = layout(["NAME", "LINK", ""], rows(), false);
        assert_eq!(text, "NAME    LINK\n办公室  1     x\na       long  x\n");
    }

    #[test]
    fn colours_do_not_change_the_alignment() {
        let text = layout(["NAME", "LINK", ""], rows(), true);
        assert_eq!(
            text.replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""),
            layout(["NAME", "LINK", ""], rows(), false)
        );
        assert!(text.contains("\u{1b}[31mlong\u{1b}[0m"), "{text:?}");
    }
}
