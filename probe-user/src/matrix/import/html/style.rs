//! What elements' styles say of their text.

use html5ever::{Attribute, LocalName};

/// What an element's style says of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Hidden,
    Struck,
}

/// CSS 2.2, 11.2 and 16.3.1; HTML, 6.1.
pub(super) fn style(attributes: &[Attribute]) -> Option<Style> {
    attributes.iter().find_map(|attribute| match &*attribute.name.local {
        "hidden" => Some(Style::Hidden),
        "style" => {
            let style: String =
                attribute.value.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
            let hides = ["display:none", "visibility:hidden", "visibility:collapse"];
            match () {
                () if hides.iter().any(|rule| style.contains(rule)) => Some(Style::Hidden),
                () if style.contains("line-through") => Some(Style::Struck),
                () => None,
            }
        }
        _ => None,
    })
}

/// Open elements whose style says something.
#[derive(Default)]
pub(super) struct Styled {
    /// Each with how many of its name are open within it.
    pub(super) open: Vec<(LocalName, usize, Style)>,
    /// How many of them hide.
    pub(super) hiding: usize,
}

impl Styled {
    /// Whether the element has a style.
    pub(super) fn begin(&mut self, name: &LocalName, attributes: &[Attribute]) -> Option<Style> {
        let style = style(attributes);
        if let Some(style) = style {
            self.hiding += usize::from(style == Style::Hidden);
            self.open.push((name.clone(), 0, style));
        } else if let Some((_, open, _)) = self.open.last_mut().filter(|(styled, ..)| styled == name) {
            *open += 1;
        }
        style
    }

    /// The style that ends with the element.
    pub(super) fn end(&mut self, name: &LocalName) -> Option<Style> {
        let (_, open, style) = self.open.last_mut().filter(|(styled, ..)| styled == name)?;
        if *open > 0 {
            *open -= 1;
            return None;
        }
        let style = *style;
        self.open.pop();
        self.hiding -= usize::from(style == Style::Hidden);
        Some(style)
    }

    pub(super) fn last(&self) -> Option<Style> {
        if self.hiding > 0 { Some(Style::Hidden) } else { self.open.last().map(|(.., style)| *style) }
    }
}
