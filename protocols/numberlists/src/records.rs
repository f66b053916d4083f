//! Bytes in, whole records out, whatever the bytes are: lines, fields and records have their limits, and one that breaks
//! them costs itself and no other.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// The longest line. The widest row of the FTC's complaints has about 300 bytes.
const MAX_LINE_BYTES: usize = 4_096;
/// How many lines one record may span by line breaks inside quotes. A quote that nobody closed would otherwise swallow
/// the rest of the file.
const MAX_RECORD_LINES: usize = 8;
/// The most bytes of one record over all its lines.
const MAX_RECORD_BYTES: usize = 2 * MAX_LINE_BYTES;
/// The most columns. The FTC has eight.
const MAX_FIELDS: usize = 64;

/// Why a row was left out. Nothing of the row itself is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Fault {
    /// Over [`MAX_LINE_BYTES`].
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Over [`MAX_FIELDS`].
    #[error("the line has more than {MAX_FIELDS} columns")]
    TooManyColumns,
    /// A quotation mark without its other half.
    #[error("a quotation mark is opened and not closed within {MAX_RECORD_LINES} lines")]
    OpenQuote,
    /// The column of numbers is not there or empty.
    #[error("there is nothing in the column of numbers")]
    NoNumber,
    /// A pattern where a number should be.
    #[error("this is a pattern and not a number: put it on your own list")]
    Pattern,
    /// Emergency numbers, short codes and star codes always ring.
    #[error("short codes, star codes and emergency numbers always ring and are not imported")]
    Special,
    /// No such number can exist.
    #[error("this is not a telephone number that can exist")]
    NotANumber,
    /// The list itself says that the number is wanted.
    #[error("the list calls this number legitimate")]
    Legitimate,
    /// The list itself says that nobody complains any more.
    #[error("the list has no complaints about this number any more")]
    Withdrawn,
}

/// The fields of a record, without quotes.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    pub(crate) fn len(self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(self, column: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }

    /// The field as text, its outer spaces gone. Bytes that are no UTF-8 (Latin-1 names) become replacement characters.
    pub(crate) fn text(self, column: usize) -> Option<String> {
        self.get(column).map(|f| String::from_utf8_lossy(f).trim().to_owned())
    }
}

/// What is told about each row: the line it begins in, and its fields or what is wrong with it.
pub(crate) type Each<'a> = dyn FnMut(u64, Result<Fields<'_>, Fault>) + 'a;

/// Cuts a stream of bytes into records.
pub(crate) struct Records {
    reader: Reader,
    /// The line that is being read.
    line: Vec<u8>,
    /// Its number, from 1.
    line_no: u64,
    /// It is over the limit; the rest of it is dropped.
    too_long: bool,
    /// The last byte was a carriage return, so that a line feed now ends no second line.
    after_return: bool,
    /// Whole lines of a record whose quote is still open, with their line breaks.
    open: Vec<u8>,
    open_lines: usize,
    out: Box<[u8; MAX_RECORD_BYTES]>,
}

impl Records {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            line: Vec::new(),
            line_no: 1,
            too_long: false,
            after_return: false,
            open: Vec::new(),
            open_lines: 0,
            out: Box::new([0; MAX_RECORD_BYTES]),
        }
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8], each: &mut Each<'_>) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.after_return && *first == b'\n' {
                self.after_return = false;
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.extend(bytes);
                self.after_return = false;
                return;
            };
            self.extend(&bytes[..end]);
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_line(each);
        }
    }

    /// The last line need not end in a line break.
    pub(crate) fn finish(&mut self, each: &mut Each<'_>) {
        if self.too_long || !self.line.is_empty() {
            self.end_line(each);
        }
        while self.open_lines > 0 {
            self.give_up_first(each);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.too_long |= self.line.len() + bytes.len() > MAX_LINE_BYTES;
        if self.too_long {
            self.line.clear();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, each: &mut Each<'_>) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            // No record reaches over such a line.
            while self.open_lines > 0 {
                self.give_up_first(each);
            }
            each(self.line_no, Err(Fault::TooLong));
            self.line_no += 1;
        } else {
            self.add(&line, each);
        }
        self.line = line;
        self.line.clear();
    }

    /// Adds a whole line to the record that is open, or begins one.
    fn add(&mut self, line: &[u8], each: &mut Each<'_>) {
        while self.open_lines == MAX_RECORD_LINES || self.open.len() + line.len() >= MAX_RECORD_BYTES {
            self.give_up_first(each);
        }
        self.open.extend_from_slice(line);
        self.open.push(b'\n');
        self.open_lines += 1;
        self.line_no += 1;
        self.try_record(each);
    }

    /// Gives up the first line of the open record; those after it are read anew.
    fn give_up_first(&mut self, each: &mut Each<'_>) {
        each(self.first_line(), Err(Fault::OpenQuote));
        let lines = std::mem::take(&mut self.open);
        let count = std::mem::take(&mut self.open_lines);
        // While they are read anew, the line numbers are those of these lines.
        let after = self.line_no;
        self.line_no -= count as u64 - 1;
        for line in lines.split_inclusive(|b| *b == b'\n').skip(1) {
            self.line_no += 1;
            self.open.extend_from_slice(line);
            self.open_lines += 1;
            self.try_record(each);
        }
        self.line_no = after;
    }

    /// The number of the line in which the open record begins: it ends with the line before `line_no`.
    fn first_line(&self) -> u64 {
        self.line_no - self.open_lines as u64
    }

    fn try_record(&mut self, each: &mut Each<'_>) {
        let mut ends = [0; MAX_FIELDS];
        self.reader.reset();
        let (result, _, _, fields) = self.reader.read_record(&self.open, &mut self.out[..], &mut ends);
        let first = self.first_line();
        match result {
            ReadRecordResult::Record => each(first, Ok(Fields { bytes: &self.out[..], ends: &ends[..fields] })),
            ReadRecordResult::OutputEndsFull => each(first, Err(Fault::TooManyColumns)),
            ReadRecordResult::OutputFull => each(first, Err(Fault::TooLong)),
            // An empty line is no record; anything else that ends here waits for its quote.
            ReadRecordResult::InputEmpty | ReadRecordResult::End if self.open != b"\n" => return,
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
        }
        self.open.clear();
        self.open_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (u64, Result<Vec<String>, Fault>);

    fn read_in(pieces: &[&[u8]]) -> Vec<Row> {
        let (mut rows, mut records) = (vec![], Records::new(b','));
        let mut each = |line: u64, found: Result<Fields<'_>, Fault>| {
            let texts = |f: Fields<'_>| (0..f.len()).map(|c| f.text(c).expect("there")).collect();
            rows.push((line, found.map(texts)));
        };
        for piece in pieces {
            records.feed(piece, &mut each);
        }
        records.finish(&mut each);
        rows
    }

    fn read(text: &str) -> Vec<Row> {
        read_in(&[text.as_bytes()])
    }

    fn row(line: u64, fields: &[&str]) -> Row {
        (line, Ok(fields.iter().map(|f| (*f).to_owned()).collect()))
    }

    #[test]
    fn line_breaks_of_every_kind_quotes_and_empty_lines() {
        let rows = read("a,b\r\n\r\n\"1,5\",\"say \"\"hi\"\"\"\rc\n\nlast,");
        let expected = [row(1, &["a", "b"]), row(3, &["1,5", "say \"hi\""]), row(4, &["c"]), row(6, &["last", ""])];
        assert_eq!(rows, expected);
        assert_eq!(read("a,\"two\nlines\"\nb"), [row(1, &["a", "two\nlines"]), row(3, &["b"])]);
    }

    #[test]
    fn an_open_quote_costs_its_own_line_only() {
        let mut text = "x\n\"open\n".to_owned();
        (3..30).for_each(|n| text += &format!("row{n}\n"));
        let rows = read(&text);
        assert_eq!(rows[..3], [row(1, &["x"]), (2, Err(Fault::OpenQuote)), row(3, &["row3"])]);
        assert_eq!((rows.len(), rows.last()), (29, Some(&row(29, &["row29"]))));
        assert_eq!(read("\"open\nb"), [(1, Err(Fault::OpenQuote)), row(2, &["b"])]);
        let all_open = read(&"\"a\n\"".repeat(40));
        assert!(all_open.iter().all(|(line, _)| (1..=41).contains(line)));
    }

    #[test]
    fn a_line_without_end_costs_itself_only() {
        let long = "9".repeat(3 * MAX_LINE_BYTES);
        assert_eq!(read(&format!("a\n{long}\nb")), [row(1, &["a"]), (2, Err(Fault::TooLong)), row(3, &["b"])]);
        let open = read(&format!("\"a\n{long}\nb"));
        assert_eq!(open, [(1, Err(Fault::OpenQuote)), (2, Err(Fault::TooLong)), row(3, &["b"])]);
        let wide = ",".repeat(MAX_FIELDS);
        assert_eq!(read(&format!("{wide}\nb")), [(1, Err(Fault::TooManyColumns)), row(2, &["b"])]);
        let quoted = format!("\"{}\n", "9".repeat(MAX_LINE_BYTES - 2));
        let rows = read(&format!("{quoted}{quoted}{quoted}b\n"));
        assert_eq!(rows.last(), Some(&row(4, &["b"])));
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_into_pieces_changes_nothing(text in "[ab,\"\r\n]{0,200}", cut in 0usize..200) {
            let cut = cut.min(text.len());
            let (head, tail) = text.as_bytes().split_at(cut);
            prop_assert_eq!(read_in(&[head, tail]), read(&text));
        }

        #[test]
        fn every_line_is_told_once_at_most_and_in_order(text in "[ab,\"\r\n]{0,400}") {
            let lines: Vec<_> = read(&text).into_iter().map(|(line, _)| line).collect();
            prop_assert!(lines.windows(2).all(|w| w[0] < w[1]), "{:?}", lines);
        }
    }
}
