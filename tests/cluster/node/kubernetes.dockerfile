# One image for every Kubernetes component and etcd: our multi-call binary, and iptables for kube-proxy.
ARG NODE_BASE
FROM $NODE_BASE AS iptables
RUN mkdir -p /only/etc /only/tmp /only/run \
    && program=$(readlink -f /usr/sbin/iptables) && extensions=$(dirname "$(find /usr/lib -name libxt_comment.so)") \
    && libraries=$(ldd "$program" "$extensions"/*.so | grep -o '/[^ ]*\.so[^ :]*' | sort -u) \
    && for file in "$program" "$extensions"/* $libraries /etc/protocols; do cp -L --parents "$file" /only; done \
    && for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; \
       do ln -s "${program##*/}" "/only/usr/sbin/$name"; done \
    && printf 'root:x:0:0:root:/root:/sbin/nologin\n' > /only/etc/passwd \
    && chroot /only /usr/sbin/iptables --version
FROM scratch
COPY --from=iptables /only /
COPY . /
