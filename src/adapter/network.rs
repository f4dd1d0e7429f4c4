//! A document for a network: formatted where that is shown, else in lines of text, each of a length that gets through.

use super::render::{Rendered, Show, render};
use crate::domain::bridge::Caps;
use crate::domain::bridge::lines::{lines, shaped};
use crate::domain::message::Doc;

/// Renders a document for a room that can show so much.
pub fn render_for(doc: &Doc, caps: &Caps) -> Rendered {
    if caps.html {
        return render(&shaped(doc, caps), &Show::default());
    }
    let mentions = render(doc, &Show { html: false }).mentions;
    Rendered { plain: lines(doc, caps).join("\n"), whole: None, html: None, mentions }
}
