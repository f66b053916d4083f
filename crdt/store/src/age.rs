//! The age format (C2SP age, v1) with one recipient, a pass-phrase: what backups are written in, so that they can be opened
//! without this program too. Streams in pieces of 64 KiB; nothing is given out that was not authenticated.
//!
//! The parts are scrypt (RFC 7914), HKDF and HMAC with SHA-256 (RFC 5869, RFC 2104) and ChaCha20-Poly1305 (RFC 8439).

use std::io::{self, Read, Write};

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, aead::Aead};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION_LINE: &str = "age-encryption.org/v1";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// 2^17 blocks of 1 KiB: 128 MiB and about a second on a Raspberry Pi; what OWASP's sheet names for scrypt.
const LOG_N: u8 = 17;
/// The tool `age` itself writes 18. More is refused: the file chooses how much memory reading it takes.
const MAX_LOG_N: u8 = 18;
const BLOCK: u32 = 8;
const CHUNK_BYTES: usize = 64 << 10;
const TAG_BYTES: usize = 16;
/// A header of ours has 170 bytes; nobody's is read further than this.
const MAX_LINE_BYTES: usize = 200;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error("this is no file in the age format that a pass-phrase opens")]
    NotAge,
    #[error("this is not the pass-phrase of the file, or its head is damaged")]
    Wrong,
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

fn wrap_key(words: &str, salt: &[u8; 16], log_n: u8) -> io::Result<Zeroizing<[u8; 32]>> {
    let params = scrypt::Params::new(log_n, BLOCK, 1).map_err(io::Error::other)?;
    let mut key = Zeroizing::new([0; 32]);
    let salt = [SALT_LABEL, salt].concat();
    scrypt::scrypt(words.as_bytes(), &salt, &params, key.as_mut_slice()).map_err(io::Error::other)?;
    Ok(key)
}

fn derived(file_key: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(Some(salt), file_key).expand(info, key.as_mut_slice());
    expanded.expect("32 bytes are not too many for HKDF");
    key
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Hmac<Sha256> {
    let key = derived(file_key, &[], b"header");
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(header);
    mac
}

/// The head of files that one pass-phrase opens, and the key in it. Files that a node writes by itself share it: what it keeps
/// for that opens those files and is of no use elsewhere, so nobody's pass-phrase has to be kept. Each file has a nonce of its
/// own, from which and from the key in the head its own key follows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    text: String,
    #[serde(with = "serde_bytes")]
    file_key: [u8; 16],
}

impl Drop for Head {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.file_key);
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Head(…)")
    }
}

impl Head {
    /// A new one. Takes about a second and 128 MiB.
    pub(crate) fn new(words: &str) -> io::Result<Self> {
        let file_key = Zeroizing::new(random::<16>()?);
        let salt = random::<16>()?;
        let cipher = ChaCha20Poly1305::new((&*wrap_key(words, &salt, LOG_N)?).into());
        let wrapped = cipher.encrypt(&Nonce::from([0; 12]), file_key.as_slice());
        let wrapped = wrapped.expect("sixteen bytes are not too many to seal");
        let (salt, wrapped) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&wrapped));
        let header = format!("{VERSION_LINE}\n-> scrypt {salt} {LOG_N}\n{wrapped}\n---");
        let mac = header_mac(file_key.as_slice(), header.as_bytes()).finalize().into_bytes();
        let text = format!("{header} {}\n", BASE64_NOPAD.encode(&mac));
        Ok(Self { text, file_key: *file_key })
    }
}

/// The nonces of the pieces: a counter of eleven bytes, and whether it is the last.
struct Stream {
    cipher: ChaCha20Poly1305,
    piece: u64,
}

impl Stream {
    fn new(file_key: &[u8], nonce: &[u8; 16]) -> Self {
        let key = derived(file_key, nonce, b"payload");
        Self { cipher: ChaCha20Poly1305::new((&*key).into()), piece: 0 }
    }

    fn nonce(&self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.piece.to_be_bytes());
        nonce[11] = u8::from(last);
        nonce.into()
    }
}

/// Writes a file that the pass-phrase opens. [`Writer::finish`] ends it; a file without its end is refused by readers.
pub(crate) struct Writer<W: Write> {
    out: W,
    stream: Stream,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W, words: &str) -> io::Result<Self> {
        Self::under(out, &Head::new(words)?)
    }

    /// A file under a head that is there.
    pub(crate) fn under(mut out: W, head: &Head) -> io::Result<Self> {
        let nonce = random::<16>()?;
        out.write_all(head.text.as_bytes())?;
        out.write_all(&nonce)?;
        let piece = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Ok(Self { out, stream: Stream::new(&head.file_key, &nonce), piece })
    }

    /// Writes what is left and the end.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.stream.cipher.encrypt(&self.stream.nonce(last), self.piece.as_slice());
        self.out.write_all(&sealed.map_err(|_| invalid("a piece is too large to be sealed"))?)?;
        self.stream.piece += 1;
        self.piece.clear();
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits until it is known whether it is the last.
        if self.piece.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a file by its pass-phrase. What it gives was authenticated; its end is the file's own.
pub(crate) struct Reader<R: Read> {
    from: R,
    stream: Stream,
    plain: Zeroizing<Vec<u8>>,
    given: usize,
    /// The first byte of the next piece, by which the one before is known not to be the last.
    ahead: Option<u8>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads a file under a head that is known, without its pass-phrase.
    pub(crate) fn under(mut from: R, head: &Head) -> Result<Self, NotOpened> {
        let mut found = vec![0; head.text.len()];
        from.read_exact(&mut found)?;
        if found != head.text.as_bytes() {
            return Err(NotOpened::Wrong);
        }
        Self::opened(from, &head.file_key)
    }

    fn opened(mut from: R, file_key: &[u8]) -> Result<Self, NotOpened> {
        let mut nonce = [0; 16];
        from.read_exact(&mut nonce)?;
        let stream = Stream::new(file_key, &nonce);
        Ok(Self { from, stream, plain: Zeroizing::default(), given: 0, ahead: None, ended: false })
    }

    pub(crate) fn new(mut from: R, words: &str) -> Result<Self, NotOpened> {
        let mut header = Vec::new();
        if line(&mut from, &mut header)? != VERSION_LINE {
            return Err(NotOpened::NotAge);
        }
        let stanza = line(&mut from, &mut header)?;
        let mut parts = stanza.split(' ');
        let (Some("->"), Some("scrypt"), Some(salt), Some(log_n), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotOpened::NotAge);
        };
        let salt: [u8; 16] = decoded(salt)?;
        let log_n = log_n.parse::<u8>().ok().filter(|n| (1..=MAX_LOG_N).contains(n)).ok_or(NotOpened::NotAge)?;
        let wrapped: [u8; 32] = decoded(&line(&mut from, &mut header)?)?;
        let cipher = ChaCha20Poly1305::new((&*wrap_key(words, &salt, log_n)?).into());
        let file_key = cipher.decrypt(&Nonce::from([0; 12]), wrapped.as_slice()).map_err(|_| NotOpened::Wrong)?;
        let file_key = Zeroizing::new(file_key);
        let end = line(&mut from, &mut header)?;
        let mac: [u8; 32] = decoded(end.strip_prefix("--- ").ok_or(NotOpened::NotAge)?)?;
        let said = header.len() - end.len() - 1 + 3;
        header_mac(&file_key, &header[..said]).verify_slice(&mac).map_err(|_| NotOpened::Wrong)?;
        Self::opened(from, &file_key)
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let most = CHUNK_BYTES + TAG_BYTES;
        let mut sealed = Vec::with_capacity(most + 1);
        sealed.extend(self.ahead.take());
        let wanted = most + 1 - sealed.len();
        (&mut self.from).take(wanted as u64).read_to_end(&mut sealed)?;
        let last = sealed.len() <= most;
        if !last {
            self.ahead = sealed.pop();
        }
        let plain = self.stream.cipher.decrypt(&self.stream.nonce(last), sealed.as_slice());
        let damaged = || invalid("the file is damaged, or its end is missing");
        self.plain = Zeroizing::new(plain.map_err(|_| damaged())?);
        if last && self.plain.is_empty() && self.stream.piece > 0 {
            return Err(damaged());
        }
        (self.given, self.ended) = (0, last);
        self.stream.piece += 1;
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.plain.len() {
            if self.ended {
                return Ok(0);
            }
            self.next_piece()?;
        }
        let given = out.len().min(self.plain.len() - self.given);
        out[..given].copy_from_slice(&self.plain[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}

/// A line, without its end, which is added to `header` with it.
fn line(from: &mut impl Read, header: &mut Vec<u8>) -> Result<String, NotOpened> {
    let start = header.len();
    loop {
        let mut byte = [0];
        if from.read(&mut byte)? == 0 || header.len() - start > MAX_LINE_BYTES {
            return Err(NotOpened::NotAge);
        }
        header.push(byte[0]);
        if byte[0] == b'\n' {
            let line = &header[start..header.len() - 1];
            return String::from_utf8(line.to_vec()).map_err(|_| NotOpened::NotAge);
        }
    }
}

fn decoded<const N: usize>(text: &str) -> Result<[u8; N], NotOpened> {
    let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| NotOpened::NotAge)?;
    bytes.try_into().map_err(|_| NotOpened::NotAge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "correct horse battery";

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(vec![], WORDS).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(file: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let mut out = vec![];
        Reader::new(file, WORDS)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_was_written_is_read_whatever_its_length() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            assert_eq!(opened(&sealed(&plain)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn a_file_that_was_altered_or_cut_short_is_refused() {
        let file = sealed(&vec![7; 2 * CHUNK_BYTES + 100]);
        let body = file.len() - (2 * CHUNK_BYTES + 100 + 3 * TAG_BYTES);
        for at in [3, 30, 60, 80, 120, body - 20, body - 1, body, body + CHUNK_BYTES, file.len() - 1] {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(opened(&bad).is_err(), "byte {at}");
        }
        // At the border of a piece too.
        for left in
            [0, 10, 100, body, body + CHUNK_BYTES + TAG_BYTES, body + 2 * (CHUNK_BYTES + TAG_BYTES), file.len() - 1]
        {
            assert!(opened(&file[..left]).is_err(), "{left} bytes");
        }
        assert!(opened(&[file, vec![0]].concat()).is_err());
        let other = Reader::new(sealed(b"x").as_slice(), "another pass-phrase").err();
        assert!(matches!(other, Some(NotOpened::Wrong)));
    }

    #[test]
    fn files_under_one_head_open_by_the_pass_phrase_and_share_no_key_stream() {
        let head = Head::new(WORDS).unwrap();
        let files: Vec<Vec<u8>> = (0..2)
            .map(|_| {
                let mut writer = Writer::under(vec![], &head).unwrap();
                writer.write_all(b"the same").unwrap();
                writer.finish().unwrap()
            })
            .collect();
        assert!(files.iter().all(|file| opened(file).unwrap() == b"the same"));
        let (a, b) = (&files[0][head.text.len()..], &files[1][head.text.len()..]);
        assert!(a[..16] != b[..16] && a[16..] != b[16..]);
        let mut out = vec![];
        Reader::under(files[1].as_slice(), &head).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, b"the same");
        let other = Head::new("another pass-phrase").unwrap();
        assert!(matches!(Reader::under(files[0].as_slice(), &other), Err(NotOpened::Wrong | NotOpened::Io(_))));
        assert_eq!(format!("{head:?}"), "Head(…)");
    }

    #[test]
    fn a_file_that_asks_for_more_memory_than_ours_is_refused() {
        let text = String::from_utf8_lossy(&sealed(b"x")).replace(" 17\n", " 25\n").into_bytes();
        assert!(matches!(opened(&text), Err(NotOpened::NotAge)));
    }

    /// Written by the crate `age` 0.12.1 with the words above and `2^10` blocks.
    #[test]
    fn what_another_program_wrote_is_read() {
        assert_eq!(opened(include_bytes!("age/other.age")).unwrap(), b"written by another program\n");
    }
}
