//! What a client got, in a form that tests can compare.

/// Messages from the gateway.
#[derive(Debug)]
pub struct Reply(pub Vec<(u8, Vec<u8>)>);

impl Reply {
    /// Takes whole messages off a stream that has ended.
    pub fn split(mut bytes: &[u8]) -> Self {
        let mut messages = Vec::new();
        while let [tag, a, b, c, d, rest @ ..] = bytes {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
            let Some((body, rest)) = rest.split_at_checked(length) else { break };
            messages.push((*tag, body.to_vec()));
            bytes = rest;
        }
        Self(messages)
    }

    /// The types of messages; errors with their code, ReadyForQuery with its state; notices and settings left out.
    pub fn shape(&self) -> String {
        let one = |(tag, body): &(u8, Vec<u8>)| match tag {
            b'N' | b'S' => None,
            b'Z' => Some(format!("Z({})", char::from(body[0]))),
            b'E' => Some(format!("E({})", field(body, b'C'))),
            tag => Some(char::from(*tag).to_string()),
        };
        self.0.iter().filter_map(one).collect::<Vec<_>>().join(" ")
    }

    /// The rows, values separated by `|`.
    pub fn rows(&self) -> Vec<String> {
        self.0.iter().filter(|(tag, _)| *tag == b'D').map(|(_, body)| row(body)).collect()
    }

    /// The data of a COPY.
    pub fn copied(&self) -> String {
        let data = self.0.iter().filter(|(tag, _)| *tag == b'd').flat_map(|(_, body)| body.clone());
        String::from_utf8_lossy(&data.collect::<Vec<_>>()).into_owned()
    }

    /// A field of the first error: `C` its code, `M` what happened, `H` its hint.
    pub fn error(&self, kind: u8) -> String {
        self.0.iter().find(|(tag, _)| *tag == b'E').map_or_else(String::new, |(_, body)| field(body, kind))
    }

    /// Everything that can be read in it.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, body)| String::from_utf8_lossy(body)).collect::<Vec<_>>().join("\n")
    }
}

fn field(body: &[u8], kind: u8) -> String {
    let found = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&kind));
    found.map_or_else(String::new, |field| String::from_utf8_lossy(&field[1..]).into_owned())
}

fn row(body: &[u8]) -> String {
    let mut left = &body[2..];
    let mut values = Vec::new();
    while let [a, b, c, d, rest @ ..] = left {
        let length = u32::from_be_bytes([*a, *b, *c, *d]);
        let (value, rest) = if length == u32::MAX {
            ("NULL".into(), rest)
        } else {
            let (value, rest) = rest.split_at(length as usize);
            (String::from_utf8_lossy(value).into_owned(), rest)
        };
        values.push(value);
        left = rest;
    }
    values.join("|")
}
