package main

import (
	"cmp"
	"net"
	"slices"

	"gopush/internal/cert"
	"gopush/internal/config"
	"gopush/internal/doctor"
)

// certificatesOf are those that the settings name, with the hosts that they have to be for.
func certificatesOf(s *config.Serve) []doctor.Certificate {
	var all []doctor.Certificate
	if s.Comet.TLS() {
		hosts := hostsOf(cmp.Or(s.Comet.AdvertiseHTTP, s.Comet.HTTP))
		if s.Comet.TLSTCP {
			hosts = append(hosts, hostsOf(cmp.Or(s.Comet.AdvertiseTCP, s.Comet.TCP))...)
		}
		all = append(all, doctor.Certificate{Listener: "comet", Files: cert.Files{Cert: s.Comet.TLSCert, Key: s.Comet.TLSKey}, Hosts: slices.Compact(hosts)})
	}
	if s.Web.TLS() {
		all = append(all, doctor.Certificate{Listener: "web", Files: cert.Files{Cert: s.Web.TLSCert, Key: s.Web.TLSKey}, Hosts: hostsOf(s.Web.Public)})
	}
	if s.RPC.TLS() {
		all = append(all, doctor.Certificate{Listener: "rpc", Files: cert.Files{Cert: s.RPC.TLSCert, Key: s.RPC.TLSKey, CA: s.RPC.TLSCA}, Hosts: rpcHosts(s)})
	}
	if s.OpsTLS() {
		all = append(all, doctor.Certificate{Listener: "ops", Files: cert.Files{Cert: s.OpsTLSCert, Key: s.OpsTLSKey}, Hosts: othersOf(s.Ops)})
	}
	return all
}

// othersOf is hostsOf, but for those that mean this machine: whoever asks there does not look
// at names.
func othersOf(addr string) []string {
	return slices.DeleteFunc(hostsOf(addr), func(h string) bool { return h == "localhost" || net.ParseIP(h).IsLoopback() })
}

// rpcHosts are what other roles expect. With ZooKeeper this may be a node of one role, and what
// the settings say of the other is the default.
func rpcHosts(s *config.Serve) []string {
	if s.RPC.TLSName != "" {
		return []string{s.RPC.TLSName}
	}
	hosts := hostsOf(cmp.Or(s.Comet.AdvertiseRPC, s.Comet.RPC), cmp.Or(s.Message.AdvertiseRPC, s.Message.RPC))
	if s.Coordination.Kind == "zookeeper" {
		hosts = slices.DeleteFunc(hosts, func(h string) bool { return net.ParseIP(h).IsLoopback() })
	}
	return hosts
}

// hostsOf are the hosts of addresses, but for those that mean every interface.
func hostsOf(addrs ...string) []string {
	var hosts []string
	for _, addr := range addrs {
		if host, _, err := net.SplitHostPort(addr); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
