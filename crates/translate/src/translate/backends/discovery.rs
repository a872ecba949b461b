//! `spec.dns` and `spec.consul` of Backends, and Services of type `ExternalName`: where instances are found while the
//! gateway runs.

use super::super::backend_tls::{NotValid, Wanted, of_system};
use super::super::index::Index;
use super::Unresolved;
use crate::kinds::{Backend as BackendObject, BackendConsul, BackendDns, BackendDnsType, TokenReference};
use crate::resources::Object;
use irongate_config::{
    AddressFamily, ConsulSource, DnsRecords, DnsSource, Endpoints, InvalidBackend, SecretBytes,
};
use std::sync::Arc;

/// A name in DNS as a Backend says it.
pub(super) fn dns(dns: &BackendDns) -> Endpoints {
    let addresses = |family| DnsRecords::Addresses { port: dns.port.unwrap_or_default(), family };
    let name = dns.name.strip_suffix('.').unwrap_or(&dns.name);
    Endpoints::Dns(Arc::new(DnsSource {
        name: name.to_ascii_lowercase().into(),
        records: match dns.kind {
            BackendDnsType::Addresses => addresses(AddressFamily::Any),
            BackendDnsType::A => addresses(AddressFamily::V4),
            BackendDnsType::Aaaa => addresses(AddressFamily::V6),
            BackendDnsType::Srv => DnsRecords::Services,
        },
        servers: dns.server_addresses(),
        min_refresh: dns.min_refresh.map_or(DnsSource::MIN_REFRESH, |value| value.0),
        max_refresh: dns.max_refresh.map_or(DnsSource::MAX_REFRESH, |value| value.0),
    }))
}

/// The name of an `ExternalName`.
pub(super) fn external_name(name: &str, port: u16) -> Endpoints {
    Endpoints::Dns(Arc::new(DnsSource::addresses(name, port)))
}

/// A service of Consul. `tls`: what `spec.consul.tls` comes to.
///
/// # Errors
/// What is wrong with the token or with TLS: nobody is asked in a way that was not meant.
pub(super) fn consul(
    object: &Object<BackendObject>,
    consul: &BackendConsul,
    tls: Option<Wanted>,
    index: &Index<'_>,
) -> Result<Endpoints, Unresolved> {
    let invalid = |message: String| (InvalidBackend::InvalidDiscovery, message);
    let about = || format!("of Backend {}", object.name);
    let Some((is_secure, host, port)) = consul.place() else {
        return Err(invalid(format!("the address of Consul {} is not valid", about())));
    };
    let tls = match tls {
        Some(Err(NotValid)) => return Err(invalid(format!("spec.consul.tls {} is not valid", about()))),
        Some(Ok(tls)) => Some(tls),
        None => is_secure.then(|| Arc::new(of_system(host))),
    };
    let token = consul.token_ref.as_ref().map(|reference| token(object, reference, index)).transpose();
    Ok(Endpoints::Consul(Arc::new(ConsulSource {
        host: host.to_ascii_lowercase().into(),
        port,
        tls,
        service: consul.service.as_ref().into(),
        tags: consul.tags.iter().map(|tag| tag.as_ref().into()).collect(),
        datacenter: consul.datacenter.as_deref().map(Into::into),
        includes_warning: consul.include_warning,
        token: token.map_err(invalid)?,
        wait: consul.wait.map_or(ConsulSource::WAIT, |wait| wait.0),
    })))
}

fn token(
    object: &Object<BackendObject>,
    TokenReference { name, key }: &TokenReference,
    index: &Index<'_>,
) -> Result<SecretBytes, String> {
    let namespace = object.name.namespace();
    let Some(secret) = index.secrets.get(&(namespace, &**name)) else {
        return Err(format!("there is no Secret {namespace}/{name}, which Backend {} names", object.name));
    };
    let token =
        secret.body.get(key).ok_or_else(|| format!("Secret {namespace}/{name} has no key `{key}`"))?;
    // It becomes the value of a header field.
    let text = token.expose().trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
        return Err(format!("`{key}` of Secret {namespace}/{name} is no token"));
    }
    Ok(SecretBytes::new(text.to_vec()))
}
