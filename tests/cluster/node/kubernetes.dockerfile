# One image for every Kubernetes component and etcd: our multi-call binary, and nft for kube-proxy.
ARG NODE_BASE
FROM $NODE_BASE AS nft
RUN mkdir -p /only/etc /only/tmp \
    && for file in /usr/sbin/nft $(ldd /usr/sbin/nft | grep -o '/[^ ]*'); do cp -L --parents "$file" /only; done \
    && printf 'root:x:0:0:root:/root:/sbin/nologin\n' > /only/etc/passwd
FROM scratch
COPY --from=nft /only /
COPY . /
