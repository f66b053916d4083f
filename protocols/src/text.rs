//! Text that somebody outside wrote: the name a caller shows, a label, a router's banner. It is data, never markup, and
//! it must be inert wherever it is shown: page, log, terminal.

/// The longest text kept from outside, in characters. The longest caller name seen on a line is 15 characters in the
/// analog world (ETSI EN 300 659-3) and a SIP display name is rarely over 40.
pub const MAX_OUTSIDE_CHARS: usize = 120;

/// Makes a text from outside harmless: line breaks, escape sequences and the characters that turn the reading direction
/// are dropped or become a space, and what is too long is cut with an ellipsis.
///
/// Markup needs no treatment here: the page never interprets text as markup.
#[must_use]
pub fn inert(raw: &str) -> String {
    let mut out = String::new();
    let mut kept = 0;
    let mut pending_space = false;
    for c in raw.chars() {
        if c.is_whitespace() || c.is_control() {
            pending_space = !out.is_empty();
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if kept == MAX_OUTSIDE_CHARS {
            out.push('…');
            return out;
        }
        if pending_space {
            out.push(' ');
            kept += 1;
            pending_space = false;
        }
        out.push(c);
        kept += 1;
    }
    out
}

/// As [`inert`] for a text of many lines that people write to each other: line breaks stay, nothing is cut, and the joiners
/// without which Persian, Hindi and many pictographs fall apart stay too.
#[must_use]
pub fn inert_lines(raw: &str) -> String {
    let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
    let lines = raw.lines().map(|line| {
        let spaced = line.chars().map(|c| if c == '\t' { ' ' } else { c });
        let kept = spaced.filter(|c| !c.is_control() && (!is_invisible(*c) || is_joiner(*c)));
        kept.collect::<String>().trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

/// Characters that change how others are shown without being seen themselves: the bidirectional controls of Unicode
/// Annex 9, zero-width characters, variation and tag characters, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_line_breaks_and_direction_marks_are_gone() {
        // ESC is a control character: what is left of the sequence is harmless letters.
        assert_eq!(inert("\u{1b}[31mred\u{1b}[0m"), "[31mred [0m");
        assert_eq!(inert("a\r\nContact: b"), "a Contact: b");
        assert_eq!(inert("safe\u{202e}exe.txt"), "safeexe.txt");
        assert_eq!(inert(" \t <b>x</b> \0"), "<b>x</b>");
        assert_eq!(inert("\u{200b}\u{feff}"), "");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = "x".repeat(MAX_OUTSIDE_CHARS + 1);
        let cut = inert(&long);
        assert_eq!(cut.chars().count(), MAX_OUTSIDE_CHARS + 1);
        assert!(cut.ends_with('…'));
        assert_eq!(inert(&"y".repeat(MAX_OUTSIDE_CHARS)).len(), MAX_OUTSIDE_CHARS);
    }

    #[test]
    fn a_text_of_many_lines_keeps_them_and_what_holds_pictographs_together() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(
            inert_lines(&format!("\n\nBack at 5,\r\n  {family}\t!\u{202e}\u{1b}[2J\n\n")),
            format!("Back at 5,\n  {family} ![2J")
        );
        assert_eq!(inert_lines("\u{feff} \u{7} \n"), "");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_out_has_no_control_character(raw in "\\PC*|.{0,300}") {
            let out = inert(&raw);
            proptest::prop_assert!(!out.chars().any(|c| c.is_control() || is_invisible(c)));
            let again = inert(&out);
            proptest::prop_assert_eq!(again.trim_end_matches('…'), out.trim_end_matches('…'));
        }

        #[test]
        fn a_text_of_many_lines_never_grows_and_is_inert_at_once(raw in "\\PC*|(.|\n){0,300}") {
            let out = inert_lines(&raw);
            proptest::prop_assert!(out.len() <= raw.len());
            proptest::prop_assert!(!out.chars().any(|c| c.is_control() && c != '\n'));
            proptest::prop_assert_eq!(inert_lines(&out), out);
        }
    }
}
