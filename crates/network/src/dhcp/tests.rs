//! Timelines: a router made of a few lines answers the client, the clock is a number.

use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket,
    UdpRepr,
};

use super::{Client, Input, Lease, Output, RequestOptions};

const MAC: [u8; 6] = [0xb8, 0x27, 0xeb, 1, 2, 3];
const ROUTER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 77);
const DAY: u64 = 86_400;

/// The router's behaviour on requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Router {
    Friendly,
    Refusing,
    Silent,
    /// Gives a lease, from the address 0.0.0.0.
    Nowhere,
    /// Gives a lease of another address.
    Offering(Ipv4Addr),
}

/// One event as the story tells it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Dhcp(DhcpMessageType, Reach),
    Arp,
    Bound(Lease),
    Lost,
}

#[derive(Debug, PartialEq, Eq)]
enum Reach {
    Broadcast,
    Unicast,
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease() -> Lease {
    Lease {
        address: OURS,
        prefix: 24,
        router: Some(ROUTER),
        resolvers: vec![ROUTER],
        time_servers: vec![ROUTER],
    }
}

/// Hands `input` to the client and lets the router answer until all is quiet.
fn step(client: &mut Client<'_>, router: Router, now: Duration, input: Input<'_>) -> Vec<Seen> {
    client.handle(now, input);
    let mut seen = Vec::new();
    while let Some(output) = client.poll() {
        match output {
            Output::Bound(lease) => seen.push(Seen::Bound(lease)),
            Output::Lost => seen.push(Seen::Lost),
            Output::Send(frame) => {
                let (what, answer) = receive(router, &frame);
                seen.push(what);
                if let Some(answer) = answer {
                    client.handle(now, Input::Frame(&answer));
                }
            }
        }
    }
    seen
}

/// The router's side: what came, and what goes back.
fn receive(router: Router, frame: &[u8]) -> (Seen, Option<Vec<u8>>) {
    let frame = EthernetFrame::new_checked(frame).unwrap();
    if frame.ethertype() == EthernetProtocol::Arp {
        return (Seen::Arp, (router != Router::Silent).then(|| arp_reply(frame.payload())));
    }
    let reach =
        if frame.dst_addr() == EthernetAddress::BROADCAST { Reach::Broadcast } else { Reach::Unicast };
    let packet = Ipv4Packet::new_checked(frame.payload()).unwrap();
    let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
    let message = DhcpPacket::new_checked(datagram.payload()).unwrap();
    let name = message.options().find(|option| option.kind == 12).map(|option| option.data.to_owned());
    assert_eq!(name.as_deref(), Some(&b"hearth-0203"[..]), "every request tells the name");
    let request = DhcpRepr::parse(&message).unwrap();
    let answer = match (router, request.message_type) {
        (Router::Silent, _) => None,
        (_, DhcpMessageType::Discover) => Some(DhcpMessageType::Offer),
        (Router::Friendly | Router::Nowhere | Router::Offering(_), _) => Some(DhcpMessageType::Ack),
        (Router::Refusing, _) => Some(DhcpMessageType::Nak),
    };
    let source = if router == Router::Nowhere { Ipv4Addr::UNSPECIFIED } else { ROUTER };
    let yours = if let Router::Offering(address) = router { address } else { OURS };
    (Seen::Dhcp(request.message_type, reach), answer.map(|kind| dhcp_answer(&request, kind, source, yours)))
}

fn dhcp_answer(request: &DhcpRepr<'_>, kind: DhcpMessageType, source: Ipv4Addr, yours: Ipv4Addr) -> Vec<u8> {
    let resolvers = [ROUTER].into_iter().collect();
    let answer = DhcpRepr {
        message_type: kind,
        your_ip: yours,
        server_ip: ROUTER,
        router: Some(ROUTER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server_identifier: Some(ROUTER),
        lease_duration: Some(u32::try_from(DAY).unwrap()),
        dns_servers: Some(resolvers),
        requested_ip: None,
        client_identifier: None,
        parameter_request_list: None,
        max_size: None,
        // Among them one that is no host.
        additional_options: &[DhcpOption { kind: 42, data: &[0, 0, 0, 0, 192, 168, 1, 1] }],
        ..request.clone()
    };
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: OURS,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + answer.buffer_len(),
        hop_limit: 64,
    };
    let ethernet = EthernetRepr {
        src_addr: ROUTER_MAC,
        dst_addr: EthernetAddress(MAC),
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let (from, to) = (IpAddress::from(source), IpAddress::from(OURS));
    let length = answer.buffer_len();
    udp.emit(
        &mut datagram,
        &from,
        &to,
        length,
        |payload| answer.emit(&mut DhcpPacket::new_unchecked(payload)).unwrap(),
        &ChecksumCapabilities::default(),
    );
    bytes
}

fn arp_reply(request: &[u8]) -> Vec<u8> {
    let request = ArpRepr::parse(&ArpPacket::new_checked(request).unwrap()).unwrap();
    let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, target_protocol_addr, .. } =
        request
    else {
        panic!("no ARP for IPv4")
    };
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: ROUTER_MAC,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    let ethernet = EthernetRepr {
        src_addr: ROUTER_MAC,
        dst_addr: source_hardware_addr,
        ethertype: EthernetProtocol::Arp,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + reply.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    reply.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}

fn new_client<'a>(options: &'a RequestOptions<'static>) -> Client<'a> {
    Client::new(MAC, options, 1, at(0))
}

/// A client that got its lease at second 5.
fn bound<'a>(options: &'a RequestOptions<'static>) -> Client<'a> {
    let mut client = new_client(options);
    let seen = step(&mut client, Router::Friendly, at(5), Input::LinkUp);
    assert_eq!(seen, [discover(), request(Reach::Broadcast), Seen::Bound(lease())]);
    client
}

fn discover() -> Seen {
    Seen::Dhcp(DhcpMessageType::Discover, Reach::Broadcast)
}

fn request(reach: Reach) -> Seen {
    Seen::Dhcp(DhcpMessageType::Request, reach)
}

fn options() -> RequestOptions<'static> {
    RequestOptions::with_host_name("hearth-0203")
}

/// Ticks when the client asks for it until `end`; what happened, with the second it happened in.
fn run_until(client: &mut Client<'_>, router: Router, mut now: u64, end: u64) -> Vec<(u64, Seen)> {
    let mut story = Vec::new();
    while let Some(wake) = client.wake_at(at(now)) {
        // Waits have a shortest length in the loop that drives clients.
        now = now.max(wake.as_secs() + u64::from(wake.subsec_nanos() > 0)).max(now + 1);
        if now > end {
            break;
        }
        story.extend(step(client, router, at(now), Input::Tick).into_iter().map(|seen| (now, seen)));
    }
    story
}

#[test]
fn without_a_cable_nothing_is_sent_and_nothing_awaited() {
    let options = options();
    let mut client = new_client(&options);
    assert_eq!(step(&mut client, Router::Friendly, at(1), Input::Tick), []);
    assert_eq!(client.wake_at(at(1)), None);
    assert!(!client.wants_frames(at(1)));
}

#[test]
fn a_silent_router_is_asked_again_and_again() {
    let options = options();
    let mut client = new_client(&options);
    assert_eq!(step(&mut client, Router::Silent, at(5), Input::LinkUp), [discover()]);
    let story = run_until(&mut client, Router::Silent, 5, 60);
    assert!((3..=12).contains(&story.len()), "{story:?}");
    assert!(story.iter().all(|(_, seen)| *seen == discover()), "{story:?}");
    assert!(client.wants_frames(at(60)));
    let seen = run_until(&mut client, Router::Friendly, 60, 80);
    assert!(seen.iter().any(|(_, seen)| *seen == Seen::Bound(lease())), "{seen:?}");
}

#[test]
fn a_lease_is_renewed_at_half_time_and_nobody_is_told() {
    let options = options();
    let mut client = bound(&options);
    assert!(client.wants_frames(at(14)));
    assert!(!client.wants_frames(at(16)), "a bound client does not listen");
    let story = run_until(&mut client, Router::Friendly, 5, DAY - 10);
    assert!(matches!(story.first(), Some((second, Seen::Arp)) if *second >= DAY / 2), "{story:?}");
    assert!(story.iter().any(|(_, seen)| *seen == request(Reach::Unicast)), "{story:?}");
    assert!(!story.iter().any(|(_, seen)| matches!(seen, Seen::Bound(_) | Seen::Lost)), "{story:?}");
    assert_eq!(client.lease(), Some(&lease()));
    let later = run_until(&mut client, Router::Friendly, DAY - 10, DAY + 3600);
    assert!(!later.iter().any(|(_, seen)| *seen == Seen::Lost), "renewed for another day: {later:?}");
}

#[test]
fn a_router_that_went_silent_is_asked_then_everybody_and_then_the_lease_is_over() {
    let options = options();
    let mut client = bound(&options);
    let story = run_until(&mut client, Router::Silent, 5, DAY + 100);
    let first = |wanted: &Seen| story.iter().find(|(_, seen)| seen == wanted).map(|(second, _)| *second);
    let everybody = first(&request(Reach::Broadcast)).unwrap();
    let lost = first(&Seen::Lost).unwrap();
    assert!((DAY * 7 / 8..DAY).contains(&everybody), "{everybody}");
    assert!((DAY..DAY + 10).contains(&lost), "{lost}");
    assert_eq!(client.lease(), None);
    let after: Vec<_> = story.iter().filter(|(second, _)| *second > lost).map(|(_, seen)| seen).collect();
    assert!(!after.is_empty() && after.iter().all(|seen| **seen == discover()), "{after:?}");
}

#[test]
fn a_router_that_refuses_its_own_offers_is_not_argued_with_for_ever() {
    let options = options();
    let mut client = new_client(&options);
    let first = step(&mut client, Router::Refusing, at(5), Input::LinkUp);
    assert!(first.len() < 20, "{first:?}");
    let story = run_until(&mut client, Router::Refusing, 5, 105);
    assert!(story.len() < 200, "{}", story.len());
    let later = run_until(&mut client, Router::Friendly, 105, 205);
    assert!(later.iter().any(|(_, seen)| *seen == Seen::Bound(lease())), "{later:?}");
}

#[test]
fn a_refused_renewal_starts_anew() {
    let options = options();
    let mut client = bound(&options);
    let story = run_until(&mut client, Router::Refusing, 5, DAY + 100);
    assert!(story.iter().any(|(_, seen)| *seen == Seen::Lost), "{story:?}");
    let again = run_until(&mut client, Router::Friendly, DAY + 100, DAY + 200);
    assert!(again.iter().any(|(_, seen)| *seen == Seen::Bound(lease())), "{again:?}");
}

#[test]
fn a_pulled_cable_ends_the_lease_and_a_cable_put_back_asks_at_once() {
    let options = options();
    let mut client = bound(&options);
    assert_eq!(step(&mut client, Router::Friendly, at(100), Input::LinkDown), [Seen::Lost]);
    assert_eq!(step(&mut client, Router::Friendly, at(101), Input::LinkDown), []);
    assert_eq!(client.wake_at(at(101)), None);
    let seen = step(&mut client, Router::Friendly, at(200), Input::LinkUp);
    assert_eq!(seen, [discover(), request(Reach::Broadcast), Seen::Bound(lease())]);
    assert_eq!(step(&mut client, Router::Friendly, at(201), Input::LinkUp), [], "already in");
}

#[test]
fn frames_that_are_not_dhcp_are_left_to_the_kernel() {
    let options = options();
    let mut client = bound(&options);
    let mut syn = vec![0; 60];
    syn[..6].copy_from_slice(&MAC);
    syn[12..14].copy_from_slice(&[8, 0]);
    syn[14] = 0x45;
    syn[17] = 40;
    syn[23] = 6;
    syn[30..34].copy_from_slice(&OURS.octets());
    let mut ping = syn.clone();
    ping[23] = 1;
    let mut arp_request = arp_reply_to_us();
    arp_request[21] = 1;
    for frame in [&syn, &ping, &arp_request, &vec![], &vec![0xff; 14], &MAC.to_vec()] {
        assert_eq!(step(&mut client, Router::Friendly, at(20), Input::Frame(frame)), [], "{frame:?}");
    }
}

fn arp_reply_to_us() -> Vec<u8> {
    let mut frame = vec![0; 42];
    frame[..6].copy_from_slice(&MAC);
    frame[12..14].copy_from_slice(&[8, 6]);
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    frame[38..42].copy_from_slice(&OURS.octets());
    frame
}

/// smoltcp would renew by unicast to 0.0.0.0, and panic.
#[test]
fn a_reply_from_no_host_is_ignored() {
    let options = options();
    let mut client = new_client(&options);
    assert_eq!(step(&mut client, Router::Nowhere, at(5), Input::LinkUp), [discover()]);
}

#[test]
fn an_address_that_no_host_can_have_is_not_taken() {
    for address in [[127, 0, 0, 1], [0, 1, 2, 3], [240, 1, 1, 1], [192, 168, 1, 255], [192, 168, 1, 0]] {
        let options = options();
        let mut client = new_client(&options);
        let router = Router::Offering(address.into());
        let seen = step(&mut client, router, at(5), Input::LinkUp);
        assert!(!seen.iter().any(|seen| matches!(seen, Seen::Bound(_))), "{address:?}: {seen:?}");
        // The next, better offer is taken.
        let seen = run_until(&mut client, Router::Friendly, 5, 120);
        assert!(seen.iter().any(|(_, seen)| *seen == Seen::Bound(lease())), "{address:?}: {seen:?}");
    }
}

#[test]
fn an_acknowledgement_that_nobody_asked_for_changes_nothing() {
    let options = options();
    let mut client = new_client(&options);
    client.handle(at(5), Input::LinkUp);
    let (mut last_request, mut leases) = (Vec::new(), 0);
    while let Some(output) = client.poll() {
        match output {
            Output::Send(frame) => {
                let (_, Some(answer)) = receive(Router::Friendly, &frame) else { panic!("no answer") };
                client.handle(at(5), Input::Frame(&answer));
                last_request = frame;
            }
            Output::Bound(_) => leases += 1,
            Output::Lost => panic!("the lease was lost"),
        }
    }
    assert!(leases == 1 && client.wants_frames(at(6)), "it still listens");
    let other = Router::Offering(Ipv4Addr::new(192, 168, 1, 99));
    let (_, Some(unasked)) = receive(other, &last_request) else { panic!("no answer") };
    assert_eq!(step(&mut client, Router::Silent, at(6), Input::Frame(&unasked)), []);
    assert_eq!(client.lease(), Some(&lease()));
}

#[test]
fn an_answer_with_an_unfinished_udp_checksum_counts() {
    let options = options();
    let mut client = new_client(&options);
    client.handle(at(5), Input::LinkUp);
    let Some(Output::Send(frame)) = client.poll() else { panic!("no request") };
    let (_, Some(mut offer)) = receive(Router::Friendly, &frame) else { panic!("no offer") };
    offer[40..42].copy_from_slice(&[0x12, 0x34]);
    assert_eq!(
        step(&mut client, Router::Friendly, at(6), Input::Frame(&offer)),
        [request(Reach::Broadcast), Seen::Bound(lease())]
    );
}

#[test]
fn noise_on_the_wire_harms_nobody() {
    let options = options();
    let mut client = new_client(&options);
    step(&mut client, Router::Silent, at(5), Input::LinkUp);
    let good = {
        let request = DhcpRepr {
            message_type: DhcpMessageType::Offer,
            transaction_id: 7,
            secs: 0,
            client_hardware_address: EthernetAddress(MAC),
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: OURS,
            server_ip: ROUTER,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: None,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        dhcp_answer(&request, DhcpMessageType::Offer, ROUTER, OURS)
    };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..20_000 {
        let mut frame = good.clone();
        for _ in 0..=round % 5 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state >> 8).unwrap_or(0) % frame.len();
            frame[at] = state as u8;
        }
        frame.truncate(frame.len() - usize::try_from(state >> 32).unwrap_or(0) % 3);
        client.handle(at(5 + round), Input::Frame(&frame));
        while client.poll().is_some() {}
    }
}
