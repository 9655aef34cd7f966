//! E-mail addresses: RFC 5321 lengths, the dot-atom of RFC 5322 as people use it, RFC 6531 letters.

/// Appends `a***@example.com`; false if the value is no address.
pub(in crate::mask) fn write_partial(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    if !is_local(local.as_bytes()) || domain_length(domain.as_bytes()) != Some(domain.len()) {
        return false;
    }
    // One letter of one would be the whole name.
    let shown = local.chars().next().filter(|first| first.len_utf8() < local.len());
    if let Some(first) = shown {
        out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(b"***@");
    out.extend_from_slice(domain.as_bytes());
    true
}

/// RFC 5321, 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 5321, 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// RFC 1035, 2.3.4.
const MAX_LABEL: usize = 63;

fn is_local(local: &[u8]) -> bool {
    !local.is_empty() && local.len() <= MAX_LOCAL && local.iter().all(|&byte| is_local_byte(byte))
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'') || byte >= 0x80
}

fn is_domain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || byte >= 0x80
}

/// The length of the domain that begins the text: two labels or more, the last one no number.
fn domain_length(text: &[u8]) -> Option<usize> {
    let run = text.iter().take(MAX_DOMAIN).take_while(|&&byte| is_domain_byte(byte)).count();
    let run = text.get(..run)?;
    let (mut end, mut length, mut labels) = (None, 0, 0);
    for label in run.split(|&byte| byte == b'.') {
        let name = label.strip_suffix(b"-").unwrap_or(label);
        if name.is_empty() || name.len() > MAX_LABEL || name.starts_with(b"-") {
            break;
        }
        labels += 1;
        let top = name.len() >= 2 && name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
            || name.starts_with(b"xn--");
        if labels > 1 && top {
            end = Some(length + name.len());
        }
        if name.len() < label.len() {
            break;
        }
        length += label.len() + 1;
    }
    end
}
