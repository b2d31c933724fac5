//! Servers and sessions.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::{HandshakeKind, ServerConnection};

/// What is spoken inside.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// What a client may say before the two sides have agreed, in bytes; some 2000 are usual.
const HANDSHAKE_LEN_MAX: usize = 16 * 1024;

/// The most that a session holds of what has come and is not whole: a record.
const PARTIAL_LEN_MAX: usize = 18 * 1024;

/// The most that a session holds of what is to be sent, in bytes.
const UNSENT_LEN_MAX: usize = 16 * 1024;

/// What seals and opens sessions that clients keep. It outlives certificates: else all clients
/// would come back with whole handshakes after every reload.
static TICKETER: OnceLock<Arc<dyn ProducesTickets>> = OnceLock::new();

/// A certificate, its key, and what resumes sessions; the same for all connections.
#[derive(Clone)]
pub struct Server(Arc<ServerConfig>);

impl Server {
    /// Understands two files in PEM: a certificate with those that vouch for it, the server's own
    /// first, and its private key.
    ///
    /// # Errors
    /// In words, if there is none, or they don't belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Server, String> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in it: it has to be in PEM".into());
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => "there is no private key in it: it has to be in PEM".into(),
            error => format!("the key: {error}"),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("certificate and key: {error}"))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Clients keep what resumes their sessions, encrypted: nothing has to be kept here.
        config.ticketer = ticketer().map_err(|error| error.to_string())?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Server(Arc::new(config)))
    }
}

fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    if let Some(ticketer) = TICKETER.get() {
        return Ok(Arc::clone(ticketer));
    }
    let new = ring::Ticketer::new()?;
    Ok(Arc::clone(TICKETER.get_or_init(|| new)))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

/// One connection's part in it.
pub struct Session(Box<Inner>);

struct Inner {
    tls: ServerConnection,
    /// Bytes that came since something was whole, and may have to be held.
    partial: usize,
    /// Bytes that are to be sent, as long as some of them are.
    unsent: usize,
}

impl Session {
    /// What one holds at least, as measured: its state, and room to receive in.
    pub const BYTES: usize = 8 * 1024;

    /// A session that has not begun.
    ///
    /// # Errors
    /// Those of the system, when there is no memory or no entropy.
    pub fn new(server: &Server) -> io::Result<Session> {
        let tls = ServerConnection::new(Arc::clone(&server.0));
        let mut tls = tls.map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(UNSENT_LEN_MAX));
        Ok(Session(Box::new(Inner {
            tls,
            partial: 0,
            unsent: 0,
        })))
    }

    /// Whether the two sides have not agreed yet.
    pub fn is_shaking_hands(&self) -> bool {
        self.0.tls.is_handshaking()
    }

    /// Whether it goes on with an earlier one; known once the two sides have agreed.
    pub fn is_resumed(&self) -> bool {
        self.0.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// How many bytes it holds, by and large.
    pub fn held_bytes(&self) -> usize {
        Session::BYTES + self.0.partial + self.0.unsent
    }

    /// Takes what `from` has, and understands it; how much it was, 0 at the end.
    ///
    /// # Errors
    /// Those of `from`; `InvalidData` for what is not in order, of which the client is to be told
    /// by what there is to send then.
    pub fn receive(&mut self, from: &mut dyn Read) -> io::Result<usize> {
        let inner = &mut *self.0;
        let len = inner.tls.read_tls(from)?;
        inner.partial = (inner.partial + len).min(PARTIAL_LEN_MAX);
        let shook_hands = inner.tls.is_handshaking();
        let state = inner.tls.process_new_packets();
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let shakes_hands = inner.tls.is_handshaking();
        if shook_hands != shakes_hands || state.plaintext_bytes_to_read() > 0 {
            inner.partial = 0;
        }
        match shakes_hands && inner.partial > HANDSHAKE_LEN_MAX {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(len),
        }
    }

    /// Reads what the client says; 0 if it will say nothing more.
    ///
    /// # Errors
    /// `WouldBlock` until more is received.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.tls.reader().read(room)
    }

    /// Says something, as far as there is room for it; how much of it.
    ///
    /// # Errors
    /// None that a session makes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.0.tls.writer().write(bytes)?;
        self.0.unsent += len;
        Ok(len)
    }

    /// Says that nothing more will be said.
    pub fn end(&mut self) {
        self.0.tls.send_close_notify();
    }

    /// Whether there is something to send.
    pub fn has_to_send(&self) -> bool {
        self.0.tls.wants_write()
    }

    /// Sends some of it; how much.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn send(&mut self, to: &mut dyn Write) -> io::Result<usize> {
        let sent = self.0.tls.write_tls(to);
        if !self.0.tls.wants_write() {
            self.0.unsent = 0;
        }
        sent
    }
}
