//! Drawings, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;

/// One line of a drawing; its values are from 0 to 1.
pub(super) struct Curve<'a> {
    pub(super) class: &'static str,
    pub(super) values: &'a [f64],
}

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A span of time in the unit that suits it.
pub(super) fn span_ms(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

fn begin(what: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">", HEIGHT + BOTTOM, escaped(what))
}

#[expect(clippy::cast_precision_loss, reason = "places in a drawing")]
fn place(at: usize, of: usize, width: f64) -> f64 {
    at as f64 * width / of.max(1) as f64
}

/// Curves over steps, with names under some of them.
pub(super) fn curves(curves: &[Curve<'_>], labels: &[(usize, &str)], what: &str) -> String {
    let mut svg = begin(what);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = HEIGHT - share * (HEIGHT - 10.0);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {y}H{WIDTH}\"/><text x=\"0\" y=\"{:.0}\">{:.0} %</text>",
            y + 4.0,
            share * 100.0
        );
    }
    let steps = curves.first().map_or(1, |curve| curve.values.len().saturating_sub(1));
    let x = |step: usize| LEFT + place(step, steps, WIDTH - LEFT);
    for (step, name) in labels {
        let anchor = if *step == 0 {
            "start"
        } else if *step >= steps {
            "end"
        } else {
            "middle"
        };
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(*step),
            HEIGHT + BOTTOM - 6.0,
            escaped(name)
        );
    }
    for curve in curves {
        let _ = write!(svg, "<path class=\"curve {}\" d=\"", curve.class);
        for (step, value) in curve.values.iter().enumerate() {
            let letter = if step == 0 { 'M' } else { 'L' };
            let _ = write!(svg, "{letter}{:.1} {:.1}", x(step), HEIGHT - value.clamp(0.0, 1.0) * (HEIGHT - 10.0));
        }
        svg.push_str("\"/>");
    }
    svg.push_str("</svg>");
    svg
}

/// Bars with names under them; those at the ends that are empty are left out.
pub(super) fn bars(bins: &[usize], names: &[String], what: &str) -> String {
    let first = bins.iter().position(|bin| *bin > 0).unwrap_or(0);
    let last = bins.iter().rposition(|bin| *bin > 0).unwrap_or(0);
    let (bins, names) = (&bins[first..=last], &names[first..=last]);
    let most = bins.iter().max().copied().unwrap_or(1).max(1);
    let width = place(1, bins.len(), WIDTH - LEFT);
    let mut svg = begin(what);
    for (at, (bin, name)) in bins.iter().zip(names).enumerate() {
        let (x, height) = (LEFT + place(at, bins.len(), WIDTH - LEFT), place(*bin, most, HEIGHT - 24.0));
        if *bin == 0 {
            continue;
        }
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{}\">{}</text><text x=\"{x:.1}\" y=\"{:.1}\">{bin}</text>",
            x + 1.0,
            HEIGHT - height,
            (width - 2.0).max(1.0),
            HEIGHT + BOTTOM - 6.0,
            escaped(name),
            HEIGHT - height - 4.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Cells in rows, by how long each took; the side of each row at the left.
pub(super) fn map(cells: &[Option<u64>], columns: usize, sides: &[usize]) -> String {
    let cell_height = (600.0 / place(sides.len().max(1), 1, 1.0)).clamp(1.5, 10.0);
    let (width, height) = (place(1, columns, WIDTH - 20.0), cell_height * place(sides.len(), 1, 1.0));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"who knew what when\">");
    for (row, side) in sides.iter().enumerate() {
        let y = place(row, 1, cell_height);
        let class = if *side == 0 { "one" } else { "other" };
        let _ = write!(svg, "<rect class=\"{class}\" x=\"0\" y=\"{y:.1}\" width=\"8\" height=\"{cell_height:.1}\"/>");
        for (column, ms) in cells[row * columns..(row + 1) * columns].iter().enumerate() {
            let Some(ms) = ms else { continue };
            // From 100 ms, full, down to what took a day.
            let digits = f64::from(ms.max(&1).ilog10());
            let strength = (1.0 - (digits - 1.0).max(0.0) / 8.0).clamp(0.12, 1.0);
            let _ = write!(
                svg,
                "<rect class=\"one\" opacity=\"{strength:.2}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                20.0 + place(column, 1, width),
                (width - 0.5).max(0.5),
                (cell_height - 0.5).max(0.5),
            );
        }
    }
    svg.push_str("</svg>");
    svg
}
