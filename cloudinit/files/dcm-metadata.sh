#!/bin/sh
# Closes the cloud's metadata addresses to everyone but root: to the machine's
# own users by their uid, and to containers by refusing to forward. Whatever
# else the network does stays as it is, and running it again changes nothing.
#
# The rules have a table (or, without nft, a chain) of their own, so that no
# other firewall is touched.
set -eu

ipv4='169.254.169.254 169.254.42.42'
ipv6='fd00:42::42 fd00:ec2::254 fe80::a9fe:a9fe'

comma_separated() {
	printf '%s' "$1" | sed 's/ /, /g'
}

close_with_nft() {
	# One transaction: there is no moment without the rules.
	nft -f - <<RULES
table inet dcm_metadata
delete table inet dcm_metadata
table inet dcm_metadata {
	chain output {
		type filter hook output priority -10; policy accept;
		ip daddr { $(comma_separated "$ipv4") } meta skuid != 0 reject
		ip6 daddr { $(comma_separated "$ipv6") } meta skuid != 0 reject
	}
	chain forward {
		type filter hook forward priority -10; policy accept;
		ip daddr { $(comma_separated "$ipv4") } drop
		ip6 daddr { $(comma_separated "$ipv6") } drop
	}
}
RULES
}

# first COMMAND CHAIN RULE... makes RULE the first of CHAIN.
first() {
	command=$1
	chain=$2
	shift 2
	"$command" -w 10 -C "$chain" "$@" 2>/dev/null || "$command" -w 10 -I "$chain" "$@"
}

# close_with_iptables COMMAND ADDRESSES
close_with_iptables() {
	for address in $2; do
		first "$1" OUTPUT -d "$address" -m owner ! --uid-owner 0 -j REJECT &&
			first "$1" FORWARD -d "$address" -j DROP || return 1
	done
}

# close_with_routes OPTION ADDRESSES. The last resort: closed to root as well.
close_with_routes() {
	for address in $2; do
		ip "$1" route replace prohibit "$address" || return 1
	done
}

close_family() {
	close_with_iptables "$1" "$3" || close_with_routes "$2" "$3"
}

if command -v nft >/dev/null 2>&1 && close_with_nft; then
	exit 0
fi
close_family iptables -4 "$ipv4"
if [ -e /proc/sys/net/ipv6 ]; then
	close_family ip6tables -6 "$ipv6"
fi
