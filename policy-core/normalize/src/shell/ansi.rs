//! `$'…'`: escapes as bash, zsh and ksh decode them.

/// The text, or `None` where shells differ or the result is not plain text.
pub(super) fn decode(text: &[char]) -> Option<String> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != '\\' {
            push(&mut out, *first);
            continue;
        }
        let [escape, behind @ ..] = rest else { return None };
        rest = behind;
        match escape {
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '\\' | '\'' | '"' => push(&mut out, *escape),
            '0'..='7' => {
                // At most three octal digits in all; zsh wants no leading zero more, and neither does bash.
                let digits = 1 + behind.iter().take(2).take_while(|digit| digit.is_digit(8)).count();
                // `\0` and three digits more are one character somewhere.
                if *escape == '0' && digits == 3 && behind.get(2).is_some_and(|digit| digit.is_digit(8)) {
                    return None;
                }
                let value = number(std::iter::once(escape).chain(behind).take(digits), 8)?;
                rest = behind.get(digits - 1..)?;
                out.push(u8::try_from(value).ok()?);
            }
            'x' => {
                let digits = behind.iter().take(2).take_while(|digit| digit.is_ascii_hexdigit()).count();
                // Some shells take more than two.
                if digits == 2 && behind.get(2).is_some_and(char::is_ascii_hexdigit) {
                    return None;
                }
                let value = number(behind.iter().take(digits), 16)?;
                rest = behind.get(digits..)?;
                out.push(u8::try_from(value).ok()?);
            }
            'u' | 'U' => {
                let most = if *escape == 'u' { 4 } else { 8 };
                let digits = behind.iter().take(most).take_while(|digit| digit.is_ascii_hexdigit()).count();
                let value = number(behind.iter().take(digits), 16)?;
                rest = behind.get(digits..)?;
                // Beyond ASCII it depends on the locale.
                out.push(u8::try_from(value).ok().filter(u8::is_ascii)?);
            }
            // Control characters, and what only some shells know.
            _ => return None,
        }
    }
    let text = String::from_utf8(out).ok()?;
    text.chars().all(|character| !character.is_control() || matches!(character, '\n' | '\t')).then_some(text)
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn number<'a>(digits: impl Iterator<Item = &'a char>, radix: u32) -> Option<u32> {
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0u32).checked_mul(radix)?.checked_add(digit.to_digit(radix)?)?);
    }
    value
}
