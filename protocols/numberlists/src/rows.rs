//! The rows of a list, one after the other, whatever its layout.

use meerkat_protocols::number::Region;

use crate::{
    intake::Refused,
    layout::{Entry, Layout},
    records::{Fault, Fields, Records},
};

/// How much is looked at before the layout is decided.
const SAMPLE_BYTES: usize = 64 * 1024;

/// Reads the rows of a list.
pub struct Rows {
    home: Region,
    sample: Vec<u8>,
    reading: Option<Reading>,
}

struct Reading {
    layout: Layout,
    region: Region,
    records: Records,
    header_due: bool,
}

impl Rows {
    /// A list whose numbers without country code are of this country, unless its layout says otherwise.
    #[must_use]
    pub fn new(home: Region) -> Self {
        Self { home, sample: Vec::new(), reading: None }
    }

    /// Takes the next bytes in and tells the rows that are whole: the line each begins in, and what it says or what is
    /// wrong with it.
    ///
    /// # Errors
    /// [`Refused`], and then it is no use to go on.
    pub fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(u64, Result<Entry, Fault>)) -> Result<(), Refused> {
        if bytes.contains(&0) {
            return Err(Refused::NotText);
        }
        if let Some(reading) = &mut self.reading {
            reading.read(bytes, each);
            return Ok(());
        }
        self.sample.extend_from_slice(bytes);
        if self.sample.len() >= SAMPLE_BYTES { self.decide(each) } else { Ok(()) }
    }

    /// The list is at its end: tells the rows that are left, and answers how they were read.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn finish(mut self, each: &mut dyn FnMut(u64, Result<Entry, Fault>)) -> Result<Layout, Refused> {
        if self.reading.is_none() {
            self.decide(each)?;
        }
        let Reading { layout, region, mut records, mut header_due } = self.reading.ok_or(Refused::NoNumbers)?;
        records.finish(&mut |line, found| tell(&layout, region, &mut header_due, line, found, each));
        Ok(layout)
    }

    fn decide(&mut self, each: &mut dyn FnMut(u64, Result<Entry, Fault>)) -> Result<(), Refused> {
        let sample = std::mem::take(&mut self.sample);
        // Gzip (RFC 1952, 2.3.1): nothing is unpacked in here, so nothing can unfold into more than was sent.
        if sample.starts_with(b"\x1f\x8b") {
            return Err(Refused::NotText);
        }
        // The byte order mark that spreadsheets put in front of UTF-8.
        let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&sample);
        let layout = Layout::detect(sample, self.home).ok_or(Refused::NoNumbers)?;
        let (region, header_due) = (layout.region(self.home), layout.header);
        let records = Records::new(layout.delimiter);
        let reading = self.reading.insert(Reading { layout, region, records, header_due });
        reading.read(sample, each);
        Ok(())
    }
}

impl Reading {
    fn read(&mut self, bytes: &[u8], each: &mut dyn FnMut(u64, Result<Entry, Fault>)) {
        let Self { layout, region, records, header_due } = self;
        records.feed(bytes, &mut |line, found| tell(layout, *region, header_due, line, found, each));
    }
}

fn tell(
    layout: &Layout,
    region: Region,
    header_due: &mut bool,
    line: u64,
    found: Result<Fields<'_>, Fault>,
    each: &mut dyn FnMut(u64, Result<Entry, Fault>),
) {
    if !std::mem::take(header_due) {
        each(line, found.and_then(|fields| layout.entry(fields, region)));
    }
}
