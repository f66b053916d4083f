//! What a parsed message must satisfy before the stack's state machines see it.

use std::sync::Arc;

use rsipstack::sip::prelude::ToTypedHeader;
use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::{MessageInspector, TransportEventInspector};
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};

use crate::line::Line;
use crate::wire::bare_answer;

/// Most hops taken: Max-Forwards starts at 70 (RFC 3261 8.1.1.6).
const VIAS: usize = 70;

/// Turns away strangers and nonsense without keeping any state for them.
pub(crate) struct Gate(pub(crate) Arc<Line>);

#[async_trait::async_trait]
impl TransportEventInspector for Gate {
    async fn handle(&self, event: TransportEvent) -> Option<TransportEvent> {
        match event {
            TransportEvent::Incoming(message, connection, from) => {
                let message = self.admit(message, &connection, &from).await?;
                Some(TransportEvent::Incoming(message, connection, from))
            }
            other @ (TransportEvent::New(_) | TransportEvent::Closed(_)) => Some(other),
        }
    }
}

impl Gate {
    async fn admit(&self, message: SipMessage, connection: &SipConnection, from: &SipAddr) -> Option<SipMessage> {
        let known = from.get_socketaddr().is_ok_and(|address| self.0.sources.allow(address.ip()));
        let request = match message {
            SipMessage::Request(request) => request,
            response @ SipMessage::Response(_) => return known.then_some(response),
        };
        let refusal = if known { fault(&request) } else { Some(StatusCode::Forbidden) };
        let Some(status) = refusal else { return Some(SipMessage::Request(request)) };
        let counter = if known { &self.0.counters.malformed } else { &self.0.counters.strangers };
        counter.count();
        // Only an INVITE from a stranger is worth an answer, so that a router asking from an unexpected address moves
        // on at once; a scanner learns as little as possible.
        if request.method != Method::Ack && (known || request.method == Method::Invite) {
            let _ = connection.send(bare_answer(&request, status).into(), None).await;
        }
        None
    }
}

/// What is wrong with a request (RFC 3261 8.1.1, 8.2.2).
fn fault(request: &Request) -> Option<StatusCode> {
    let vias = request.headers.iter().filter_map(|header| match header {
        Header::Via(via) => Some(via.value().split(',').count()),
        _ => None,
    });
    if vias.sum::<usize>() > VIAS {
        return Some(StatusCode::TooManyHops);
    }
    let tagged = request.from_header().ok().and_then(|from| from.tag().ok()).flatten().is_some();
    let addressed = request.to_header().is_ok_and(|to| to.tag().is_ok());
    let numbered = request
        .cseq_header()
        .is_ok_and(|cseq| cseq.seq().is_ok() && cseq.method().is_ok_and(|method| method == request.method));
    let identified = request.call_id_header().is_ok_and(|id| !id.value().is_empty());
    (!(tagged && addressed && numbered && identified)).then_some(StatusCode::BadRequest)
}

/// Puts right what the stack writes into this line's requests.
pub(crate) struct Outgoing(pub(crate) Arc<Line>);

impl MessageInspector for Outgoing {
    fn before_send(&self, mut message: SipMessage, _to: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut message {
            if self.0.settings.transport == crate::Transport::Tcp {
                own_via(request, self.0.address());
            }
            plain_qop(request);
        }
        message
    }

    fn after_received(&self, message: SipMessage, _from: Option<&SipAddr>) -> SipMessage {
        message
    }
}

/// Of a stream the stack knows only the far end's address, and writes that into Via.
fn own_via(request: &mut Request, address: std::net::SocketAddr) {
    let Ok(via) = request.via_header_mut() else { return };
    // A Via the stack itself has written can be read again.
    let _ = via.update_first_value(|value| {
        let mut typed = value.typed()?;
        typed.uri.host_with_port = address.into();
        Ok(typed.into())
    });
}

/// The stack writes `qop="auth"`; RFC 3261 25.1 has no quotes there, and there are routers that insist.
fn plain_qop(request: &mut Request) {
    for header in request.headers.iter_mut() {
        if let Header::Authorization(login) = header {
            *login = login.value().replace("qop=\"auth\"", "qop=auth").as_str().into();
        }
    }
}
