//! Streams over the control socket: a backup out of the node, and one into it. They take as long as the disks are slow.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::{
    Method, Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Client, Failure, MAX_ANSWER_BYTES, refused};

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 64 << 10;

impl Client {
    /// Writes what the node answers to `out`, piece by piece, and tells how many bytes there are so far.
    ///
    /// # Errors
    /// [`Failure`]; what was written until then is not whole.
    pub(crate) async fn save(
        &self,
        path: &str,
        body: &Value,
        out: &mut impl Write,
        mut so_far: impl FnMut(u64),
    ) -> Result<u64, Failure> {
        let request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body.to_string()))).map_err(broken)?;
        let mut response = self.streamed(request).await?;
        let mut bytes = 0;
        while let Some(frame) = response.body_mut().frame().await {
            if let Ok(piece) = frame.map_err(broken)?.into_data() {
                out.write_all(&piece)?;
                bytes += piece.len() as u64;
                so_far(bytes);
            }
        }
        Ok(bytes)
    }

    /// Sends a file, piece by piece.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn put_file(&self, path: &str, headers: &[(&str, &str)], from: &Path) -> Result<Value, Failure> {
        let unreadable = |error| Failure::File { path: from.to_owned(), error };
        let file = File::open(from).map_err(unreadable)?;
        let pieces = futures::stream::try_unfold(file, |mut file| async {
            let mut piece = vec![0; PIECE_BYTES];
            let read = file.read(&mut piece)?;
            piece.truncate(read);
            Ok::<_, std::io::Error>((read > 0).then(|| (Frame::data(Bytes::from(piece)), file)))
        });
        let mut request = Request::builder().method(Method::PUT).uri(path).header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(StreamBody::new(Box::pin(pieces))).map_err(broken)?;
        let response = self.streamed(request).await?;
        let bytes = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(broken)?.to_bytes();
        serde_json::from_slice(&bytes).map_err(broken)
    }

    async fn streamed<B>(&self, request: Request<B>) -> Result<Response<Incoming>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unconnected(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It drives the exchange and ends with it; its error is the request's too.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(broken)?.to_bytes();
        Err(refused(status, &bytes))
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::Broken(error.to_string())
}
