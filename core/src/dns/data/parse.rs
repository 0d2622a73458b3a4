//! Data as zone files write it: RFC 1035 §5.1, RFC 2782 for SRV, RFC 3596 for AAAA, RFC 8659 for CAA.

use std::net::IpAddr;
use std::str::FromStr;

use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::text::{Word, words};
use super::{Data, MOST_TAG, MOST_TEXT, Texts, property};
use crate::reason::{Malformed, Reason, shown};

impl Data {
    /// The types that can be written in a zone: what [`Self::read`] takes, each with its form.
    const FORMS: [(RecordType, &'static str); 9] = [
        (RecordType::A, "an IPv4 address: `10.0.0.5`"),
        (RecordType::AAAA, "an IPv6 address: `fd00::5`"),
        (RecordType::CAA, "flags, property and value: `0 issue \"ca.example.net\"`"),
        (RecordType::CNAME, "a name: `web.example.`"),
        (RecordType::MX, "preference and host: `10 mail.example.`"),
        (RecordType::NS, "a host: `ns1.example.`"),
        (RecordType::PTR, "a name: `web.example.`"),
        (RecordType::SRV, "priority, weight, port and host: `0 100 80 web.example.`"),
        (RecordType::TXT, "texts of at most 255 bytes: `\"v=spf1 -all\"`"),
    ];

    /// Whether records of this type can be written.
    #[must_use]
    pub fn is_writable(rtype: RecordType) -> bool {
        Self::FORMS.iter().any(|(known, _)| *known == rtype)
    }

    /// Reads the data of one record as a zone file writes it; names without a final dot lie below `origin`, `@` is it.
    ///
    /// # Errors
    /// [`Reason::RecordMalformed`], [`Reason::NameMalformed`].
    pub fn read(rtype: RecordType, text: &str, origin: &DomainName) -> Result<Self, Malformed> {
        Self::of_words(rtype, &words(text)?, origin)
    }

    /// As [`Self::read`], of the words that follow the type.
    pub(in crate::dns) fn of_words(rtype: RecordType, words: &[Word<'_>], origin: &DomainName) -> Result<Self, Malformed> {
        let Some((_, form)) = Self::FORMS.iter().find(|(known, _)| *known == rtype) else {
            let known: Vec<String> = Self::FORMS.iter().map(|(known, _)| known.to_string()).collect();
            let description = format!("records of type {rtype} cannot be stored; there are {}", known.join(", "));
            return Err(Malformed::new(Reason::RecordMalformed, description));
        };
        let mut fields = Fields { rtype, form, words, origin };
        let data = match rtype {
            RecordType::A => Self::A(fields.parse("an IPv4 address")?),
            RecordType::AAAA => Self::Aaaa(fields.parse("an IPv6 address")?),
            RecordType::CNAME => Self::Cname(fields.name()?),
            RecordType::NS => Self::Ns(fields.name()?),
            RecordType::PTR => Self::Ptr { rank: 0, target: fields.name()? },
            RecordType::MX => Self::Mx { preference: fields.number()?, target: fields.name()? },
            RecordType::SRV => {
                Self::Srv { priority: fields.number()?, weight: fields.number()?, port: fields.number()?, target: fields.name()? }
            }
            RecordType::CAA => fields.caa()?,
            _ => fields.texts()?,
        };
        match fields.words.first() {
            None => Ok(data),
            Some(word) => Err(fields.bad(&format!("`{}` is too much", shown(word.text)))),
        }
    }
}

/// The words of one record that have not been read yet.
struct Fields<'w, 't> {
    rtype: RecordType,
    form: &'static str,
    words: &'w [Word<'t>],
    origin: &'w DomainName,
}

impl<'t> Fields<'_, 't> {
    fn bad(&self, why: &str) -> Malformed {
        Malformed::new(Reason::RecordMalformed, format!("{why}; {} data is {}", self.rtype, self.form))
    }

    fn next(&mut self) -> Result<Word<'t>, Malformed> {
        let (first, rest) = self.words.split_first().ok_or_else(|| self.bad("the data is not complete"))?;
        self.words = rest;
        Ok(*first)
    }

    fn parse<T: FromStr>(&mut self, what: &str) -> Result<T, Malformed> {
        let word = self.next()?;
        let value = word.text.parse().ok().filter(|_| !word.quoted);
        value.ok_or_else(|| self.bad(&format!("`{}` is not {what}", shown(word.text))))
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        self.parse("a number from 0 to 65535")
    }

    fn name(&mut self) -> Result<DomainName, Malformed> {
        let word = self.next()?;
        if word.quoted {
            return Err(self.bad(&format!("`\"{}\"` is text, and a name is not quoted", shown(word.text))));
        }
        if word.text.parse::<IpAddr>().is_ok() {
            return Err(self.bad(&format!("`{}` is an address where a name is asked for", shown(word.text))));
        }
        DomainName::relative(word.text, self.origin)
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let word = self.next()?;
        let bytes = word.bytes().ok_or_else(|| self.bad(&format!("`{}` has an escape that is none", shown(word.text))))?;
        Ok(bytes)
    }

    fn texts(&mut self) -> Result<Data, Malformed> {
        let mut texts = vec![self.text()?];
        while !self.words.is_empty() {
            texts.push(self.text()?);
        }
        match texts.iter().find(|text| text.len() > MOST_TEXT) {
            None => Ok(Data::Txt(Texts::new(texts.iter().map(Vec::as_slice)))),
            Some(long) => Err(self.bad(&format!("a text of {} bytes is too long; split it into several", long.len()))),
        }
    }

    fn caa(&mut self) -> Result<Data, Malformed> {
        let flags = self.parse("a number from 0 to 255")?;
        let word = self.next()?;
        let tag = property(word.text)
            .filter(|_| !word.quoted)
            .ok_or_else(|| self.bad(&format!("`{}` is not a property: 1 to {MOST_TAG} letters and digits", shown(word.text))))?;
        Ok(Data::Caa { flags, tag, value: self.text()?.into() })
    }
}
