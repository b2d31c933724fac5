//! A connection to Redis or Valkey, single or cluster.

use std::time::Duration;

use redis::{Client, Cmd, Connection, ConnectionAddr, ConnectionInfo};
use redis::{FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, RedisResult, Value};

use super::{Account, Roster};

/// How long a server may take to answer; the end of the process waits for it, once.
const ANSWER: Duration = Duration::from_millis(1500);

/// How long a channel may be silent; our own heartbeats come back on it.
const SILENCE: Duration = Duration::from_secs(5);

/// Frames asked for at a time when catching up: some 6 MB at most.
const FRAMES_A_PAGE: usize = 100;

/// Members of a set asked for at a time.
const MEMBERS_A_PAGE: usize = 10_000;

/// Servers of a cluster one after the other that say that it is another.
const REDIRECTS_MAX: usize = 4;

/// A connection to the server that keeps what the bus is made of.
pub struct Link {
    connection: Connection,
    name: String,
    stream_frames_max: u32,
    /// Whether the server is one of a cluster: then channels are sharded.
    sharded: bool,
}

/// A page of the stream.
pub struct Page {
    /// The frames, as they came.
    pub frames: Vec<Vec<u8>>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<String>,
}

impl Link {
    /// Connects to the first of the servers that answers, and in a cluster to the one that is in
    /// charge.
    ///
    /// # Errors
    /// Says what is wrong with the last of them.
    pub fn connect(account: &Account) -> Result<Link, String> {
        let mut trouble = "there is no server".to_owned();
        for server in &account.servers {
            let info = server.as_str().into_connection_info();
            match info.and_then(|info| Link::connect_to(info, account)) {
                Ok(link) => return Ok(link),
                Err(error) => trouble = error.to_string(),
            }
        }
        Err(trouble)
    }

    fn connect_to(mut info: ConnectionInfo, account: &Account) -> RedisResult<Link> {
        let mut redirects = 0;
        loop {
            let mut connection = Client::open(info.clone())?.get_connection_with_timeout(ANSWER)?;
            connection.set_read_timeout(Some(ANSWER))?;
            connection.set_write_timeout(Some(ANSWER))?;
            let about: String = command("INFO").arg("cluster").query(&mut connection)?;
            let mut link = Link {
                connection,
                name: account.name.clone(),
                stream_frames_max: account.stream_frames_max,
                sharded: about.contains("cluster_enabled:1"),
            };
            let asked = link.ask::<u64>(command("XLEN").arg(link.key("stream")));
            let Err(error) = asked else {
                return Ok(link);
            };
            let there = redirected(&info, &error).filter(|_| redirects < REDIRECTS_MAX);
            info = info.set_addr(there.ok_or(error)?);
            redirects += 1;
        }
    }

    /// Whether the server is one of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.sharded
    }

    /// Sends frames to all who listen, and into the stream. What the stream has to say against it,
    /// being full for instance, is returned; who listens has them all the same.
    ///
    /// # Errors
    /// When they may not have been sent.
    pub fn publish<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<String>, String> {
        let (stream, channel) = (self.key("stream"), self.key("live"));
        let mut pipeline = Pipeline::new();
        for frame in frames {
            // In this order: whoever missed it on the channel finds it in the stream.
            pipeline
                .cmd("XADD")
                .arg(&stream)
                .arg("MAXLEN")
                .arg("~")
                .arg(self.stream_frames_max)
                .arg("*")
                .arg("f")
                .arg(frame);
            pipeline.cmd(self.verb()).arg(&channel).arg(frame);
        }
        // Answer by answer: whoever lacks one doesn't wait for the others.
        told(
            self.connection
                .send_packed_command(&pipeline.get_packed_pipeline()),
        )?;
        let mut full = None;
        for number in 0..pipeline.len() {
            match told(self.connection.recv_response())?.extract_error() {
                Err(error) if number % 2 == 0 => full = Some(error.to_string()),
                Err(error) => return Err(error.to_string()),
                Ok(_) => {}
            }
        }
        Ok(full)
    }

    /// Sends a frame to those who listen and nowhere else.
    ///
    /// # Errors
    /// When it may not have been sent.
    pub fn beat(&mut self, frame: &[u8]) -> Result<(), String> {
        let command = command(self.verb())
            .arg(self.key("live"))
            .arg(frame)
            .to_owned();
        told(self.ask(&command))
    }

    /// Listens from here on: after this only [`hear`](Self::hear) may be called.
    ///
    /// # Errors
    /// When the server doesn't let us.
    pub fn listen(&mut self) -> Result<(), String> {
        let verb = if self.sharded {
            "SSUBSCRIBE"
        } else {
            "SUBSCRIBE"
        };
        let channel = self.key("live");
        told(self.ask::<Value>(command(verb).arg(channel)))?;
        told(self.connection.set_read_timeout(Some(SILENCE)))
    }

    /// Waits for the next frame on the channel.
    ///
    /// # Errors
    /// When the connection is lost: after a silence, too. It is of no use after that.
    pub fn hear(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let message = told(self.connection.recv_response())?;
            let Value::Array(parts) = message else {
                continue;
            };
            if let [Value::BulkString(kind), _, Value::BulkString(frame)] = &parts[..]
                && [&b"message"[..], b"smessage"].contains(&kind.as_slice())
            {
                return Ok(frame.clone());
            }
        }
    }

    /// What time the server has, in milliseconds since 1970: places in the stream are by it.
    ///
    /// # Errors
    /// When it doesn't say.
    pub fn millis(&mut self) -> Result<u64, String> {
        let (seconds, micros): (u64, u64) = told(self.ask(&command("TIME")))?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }

    /// A page of the stream from a place on.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub fn page(&mut self, from: &str) -> Result<Page, String> {
        let mut command = command("XRANGE");
        command.arg(self.key("stream")).arg(from).arg("+");
        command.arg("COUNT").arg(FRAMES_A_PAGE);
        let entries: Vec<(String, Vec<Vec<u8>>)> = told(self.ask(&command))?;
        let is_last = entries.len() < FRAMES_A_PAGE;
        // Without what lies at this place itself.
        let next = entries.last().filter(|_| !is_last);
        let next = next.map(|(id, _)| format!("({id}"));
        let frames = entries
            .into_iter()
            .filter_map(|(_, mut fields)| fields.pop());
        Ok(Page {
            frames: frames.collect(),
            next,
        })
    }

    /// What changes when a set does: what operators count up, and its size.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub fn version(&mut self, roster: Roster) -> Result<(Option<Vec<u8>>, u64), String> {
        let version = told(self.ask(command("GET").arg(self.key("version"))))?;
        let size = told(self.ask(command("SCARD").arg(self.key(roster.name()))))?;
        Ok((version, size))
    }

    /// The members of a set, each a line, in their order.
    ///
    /// # Errors
    /// When the server doesn't answer, or they come to more than `bytes_max`.
    pub fn members(&mut self, roster: Roster, bytes_max: usize) -> Result<Vec<u8>, String> {
        let (mut members, mut bytes, mut cursor) = (Vec::new(), 0, 0_u64);
        loop {
            let mut command = command("SSCAN");
            command.arg(self.key(roster.name())).arg(cursor);
            command.arg("COUNT").arg(MEMBERS_A_PAGE);
            let (next, page): (u64, Vec<Vec<u8>>) = told(self.ask(&command))?;
            bytes += page.iter().map(|member| member.len() + 1).sum::<usize>();
            if bytes > bytes_max {
                return Err(format!("{}: more than {bytes_max} bytes", roster.name()));
            }
            members.extend(page);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        members.sort_unstable();
        members.dedup();
        let mut text = Vec::with_capacity(bytes);
        for member in members {
            text.extend(member);
            text.push(b'\n');
        }
        Ok(text)
    }

    /// The secret that all nodes share: the one that is there, or if there is none `ours`.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub fn secret(&mut self, ours: &str) -> Result<Vec<u8>, String> {
        let key = self.key("secret");
        let set = command("SET").arg(&key).arg(ours).arg("NX").to_owned();
        told(self.ask::<Value>(&set))?;
        told(self.ask(command("GET").arg(&key)))
    }

    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        command.query(&mut self.connection)
    }

    /// The braces keep all keys of this name on one server of a cluster.
    fn key(&self, what: &str) -> String {
        format!("{{{}}}:{what}", self.name)
    }

    fn verb(&self) -> &'static str {
        if self.sharded { "SPUBLISH" } else { "PUBLISH" }
    }
}

fn command(name: &str) -> Cmd {
    redis::cmd(name)
}

fn told<T>(result: RedisResult<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// Where a server of a cluster says that the keys are.
fn redirected(from: &ConnectionInfo, error: &RedisError) -> Option<ConnectionAddr> {
    let (place, _) = error.redirect_node()?;
    let (host, port) = place.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match (host, from.addr()) {
        // It doesn't know its own address, but we do.
        ("", ConnectionAddr::Tcp(host, _)) => Some(ConnectionAddr::Tcp(host.clone(), port)),
        ("", _) => None,
        (host, _) => Some(ConnectionAddr::Tcp(host.into(), port)),
    }
}
