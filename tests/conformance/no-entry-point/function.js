exports.hander = async () => 1;
