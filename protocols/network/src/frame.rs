//! Frames on a stream: the length in base 128, lowest first (LEB128, as protobuf writes it), then as many bytes.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use meerkat_protocols::mesh::MAX_EXCHANGE_FRAME_BYTES;

/// Three times seven bits reach two million.
const MAX_LENGTH_BYTES: u32 = 3;

/// The next frame; `None` if the stream ends before one begins.
///
/// # Errors
/// `InvalidData` for a length that is not allowed, and those of the stream.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = read_length(stream).await? else { return Ok(None) };
    // Grows with what comes: somebody who only says how much there will be costs nothing.
    let mut data = Vec::new();
    stream.take(length).read_to_end(&mut data).await?;
    if data.len() as u64 == length { Ok(Some(data)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u64>> {
    let mut length = 0_u64;
    for position in 0..MAX_LENGTH_BYTES {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if position == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * position);
        if byte[0] & 0x80 == 0 {
            let allowed = (1..=MAX_EXCHANGE_FRAME_BYTES as u64).contains(&length);
            return if allowed { Ok(Some(length)) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Sends a frame.
///
/// # Errors
/// `InvalidData` if nobody may be sent as much, and those of the stream.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> io::Result<()> {
    if data.is_empty() || data.len() > MAX_EXCHANGE_FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut head = Vec::with_capacity(MAX_LENGTH_BYTES as usize);
    let mut length = data.len();
    while length >= 0x80 {
        // The lowest seven bits.
        head.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    head.push(length as u8);
    stream.write_all(&head).await?;
    stream.write_all(data).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    fn written(data: &[u8]) -> Vec<u8> {
        let mut stream = Cursor::new(Vec::new());
        block_on(write(&mut stream, data)).expect("allowed");
        stream.into_inner()
    }

    #[test]
    fn frames_of_all_lengths_arrive() {
        for (length, head) in [(1, 1), (28, 1), (127, 1), (128, 2), (16_384, 3), (MAX_EXCHANGE_FRAME_BYTES, 3)] {
            let bytes = written(&vec![7; length]);
            assert_eq!(bytes.len(), length + head);
            let mut stream = Cursor::new([bytes.clone(), bytes].concat());
            for _ in 0..2 {
                assert_eq!(block_on(read(&mut stream)).expect("whole").map(|data| data.len()), Some(length));
            }
            assert_eq!(block_on(read(&mut stream)).expect("in order"), None);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        let cases: [(&[u8], io::ErrorKind); 6] = [
            (&[0], io::ErrorKind::InvalidData),
            (&[0x80, 0x80, 0x80, 1], io::ErrorKind::InvalidData),
            (&[0xff, 0xff, 0x7f], io::ErrorKind::InvalidData),
            (&[0x80], io::ErrorKind::UnexpectedEof),
            (&[2, 9], io::ErrorKind::UnexpectedEof),
            (&[0xff, 0x7f, 1], io::ErrorKind::UnexpectedEof),
        ];
        for (bytes, kind) in cases {
            assert_eq!(block_on(read(&mut Cursor::new(bytes))).map_err(|e| e.kind()), Err(kind), "{bytes:?}");
        }
        let mut stream = Cursor::new(Vec::new());
        assert!(block_on(write(&mut stream, &[])).is_err());
        assert!(block_on(write(&mut stream, &vec![0; MAX_EXCHANGE_FRAME_BYTES + 1])).is_err());
        assert!(stream.into_inner().is_empty());
    }
}
