//! A connection's bytes: as they are, or encrypted.

use std::io::{self, Read, Write};
use std::mem;
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::stats::traffic::Handshake;
use crate::sys::socket;
use crate::tls::{Server, Session};

/// Pieces of an encrypted connection that are understood for one read. What a handshake takes is
/// fewer, and others have their turns too.
const RECEIVED_A_READ: usize = 4;

/// A connection's bytes.
pub struct Stream {
    socket: TcpStream,
    cipher: Cipher,
}

enum Cipher {
    /// None.
    None,
    /// There will be one as soon as the client says something: until then it takes no memory. What
    /// came together with a proxy's preface is the beginning of it.
    Due(Server, Vec<u8>),
    /// There is one.
    On(Session),
}

/// What was read.
pub struct Got {
    /// How many bytes; 0 at the end.
    pub len: usize,
    /// Whether that was all there was, but for the end.
    pub emptied: bool,
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Stream {
        Stream {
            socket,
            cipher: Cipher::None,
        }
    }
}

impl Stream {
    /// One that is encrypted.
    pub fn encrypted(socket: TcpStream, server: Server) -> Stream {
        Stream {
            socket,
            cipher: Cipher::Due(server, Vec::new()),
        }
    }

    /// The socket, to be registered.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        !matches!(self.cipher, Cipher::None)
    }

    /// Whether nothing can be said yet.
    pub fn is_shaking_hands(&self) -> bool {
        match &self.cipher {
            Cipher::None => false,
            Cipher::Due(..) => true,
            Cipher::On(session) => session.is_shaking_hands(),
        }
    }

    /// Whether the two sides are in the midst of a handshake: it has begun, and is not over.
    pub fn is_amid_handshake(&self) -> bool {
        matches!(&self.cipher, Cipher::On(session) if session.is_shaking_hands())
    }

    /// What came of the handshake; `None` if there is none, or it is not over.
    pub fn handshake(&self) -> Option<Handshake> {
        match &self.cipher {
            Cipher::On(session) if !session.is_shaking_hands() => match session.is_resumed() {
                true => Some(Handshake::Resumed),
                false => Some(Handshake::Whole),
            },
            _ => None,
        }
    }

    /// Whether it holds something that the kernel has not taken yet.
    pub fn is_writing(&self) -> bool {
        match &self.cipher {
            Cipher::On(session) => session.has_to_send(),
            _ => false,
        }
    }

    /// How many bytes it holds.
    pub fn held_bytes(&self) -> usize {
        match &self.cipher {
            Cipher::On(session) => session.held_bytes(),
            Cipher::Due(_, early) => early.capacity(),
            Cipher::None => 0,
        }
    }

    /// Reads what comes before anything encrypted.
    pub fn read_plain(&mut self, room: &mut [u8]) -> io::Result<Got> {
        let len = self.socket.read(room)?;
        // What did not fill the room has emptied the socket.
        let emptied = len < room.len();
        Ok(Got { len, emptied })
    }

    /// Takes what was read so and comes behind it, if that is encrypted; how much of it. The next
    /// read begins with it.
    pub fn begin(&mut self, bytes: &[u8]) -> usize {
        match &mut self.cipher {
            Cipher::Due(_, early) => {
                early.extend_from_slice(bytes);
                bytes.len()
            }
            _ => 0,
        }
    }

    /// Reads. `WouldBlock` if nothing is there, `Interrupted` if it takes another turn: in this one
    /// there may be so many `steps` of handshakes still.
    #[inline]
    pub fn read(&mut self, room: &mut [u8], steps: &mut usize) -> io::Result<Got> {
        match self.cipher {
            Cipher::None => self.read_plain(room),
            _ => self.read_encrypted(room, steps),
        }
    }

    /// Writes as much as there is room for.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.cipher {
            Cipher::None => self.socket.write(bytes),
            _ => self.write_encrypted(bytes),
        }
    }

    /// Hands over what is held, as far as the kernel takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        let Cipher::On(session) = &mut self.cipher else {
            return Ok(());
        };
        while session.has_to_send() {
            match session.send(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be written.
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.say_end();
        self.socket.shutdown(Shutdown::Write)
    }

    /// Closes the socket.
    pub fn close(mut self) -> io::Result<()> {
        self.say_end();
        socket::close(self.socket)
    }

    /// Whoever does not take it at once is gone, or will see the end of the connection itself.
    fn say_end(&mut self) {
        if let Cipher::On(session) = &mut self.cipher {
            session.end();
            let _ = self.flush();
        }
    }

    /// Begins a session with the first bytes of the client.
    fn shake_hands(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Cipher::Due(server, _) = &self.cipher else {
            return Ok(());
        };
        let mut session = Session::new(server)?;
        let mut received = Ok(1);
        while !bytes.is_empty() && matches!(received, Ok(1..)) {
            received = session.receive(&mut bytes);
        }
        self.cipher = Cipher::On(session);
        self.heed(received).map(|_| ())
    }

    fn read_encrypted(&mut self, room: &mut [u8], steps: &mut usize) -> io::Result<Got> {
        if let Cipher::Due(_, early) = &mut self.cipher {
            if *steps == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let mut early = mem::take(early);
            if early.is_empty() {
                let got = self.read_plain(room)?;
                if got.len == 0 {
                    return Ok(got);
                }
                early.extend_from_slice(&room[..got.len]);
            }
            *steps -= 1;
            self.shake_hands(&early)?;
        }
        self.decrypt(room, steps)
    }

    fn write_encrypted(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Cipher::On(session) = &mut self.cipher else {
            // Nobody can be told anything yet.
            return Err(io::ErrorKind::NotConnected.into());
        };
        let len = session.write(bytes)?;
        self.flush()?;
        match len {
            0 if self.is_writing() => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    fn decrypt(&mut self, room: &mut [u8], steps: &mut usize) -> io::Result<Got> {
        let mut emptied = false;
        for _ in 0..RECEIVED_A_READ {
            let Cipher::On(session) = &mut self.cipher else {
                break;
            };
            match session.read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    let len = read?;
                    // What fills the room may have left some.
                    let emptied = emptied && len < room.len();
                    return Ok(Got { len, emptied });
                }
            }
            let shakes_hands = session.is_shaking_hands();
            if shakes_hands && *steps == 0 {
                break;
            }
            let mut socket = Noting {
                socket: &mut self.socket,
                emptied: false,
            };
            let received = session.receive(&mut socket);
            emptied = socket.emptied;
            if shakes_hands && !is_nothing(&received) {
                // What fails takes as much time as what does not.
                *steps -= 1;
            }
            if self.heed(received)? == 0 {
                return Ok(Got { len: 0, emptied });
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Sends what there is to say to what was received: more of the handshake, or what was wrong.
    fn heed(&mut self, received: io::Result<usize>) -> io::Result<usize> {
        let flushed = self.flush();
        match received {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(socket::violation()),
            Err(error) => Err(error),
            Ok(len) => flushed.map(|()| len),
        }
    }
}

fn is_nothing(received: &io::Result<usize>) -> bool {
    matches!(received, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// A socket that tells whether it was emptied.
struct Noting<'s> {
    socket: &'s mut TcpStream,
    emptied: bool,
}

impl Read for Noting<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.socket.read(room)?;
        self.emptied = len < room.len();
        Ok(len)
    }
}
